# millrace_library(NAME LINK …): src/NAME/*.cpp as a static library millrace::NAME, and src/NAME/*_test.cpp as its
# test program millrace_NAME_test. Unit tests lie beside the code that they test.
function(millrace_library name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(sources)
    add_library(millrace_${name} STATIC ${sources})
    target_link_libraries(millrace_${name} PUBLIC ${arg_LINK} PRIVATE millrace_options)
    target_include_directories(millrace_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  else()
    add_library(millrace_${name} INTERFACE)
    target_link_libraries(millrace_${name} INTERFACE ${arg_LINK})
    target_include_directories(millrace_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
  endif()
  add_library(millrace::${name} ALIAS millrace_${name})
  if(tests AND MILLRACE_TESTS AND NOT MILLRACE_FUZZ)
    millrace_test(millrace_${name}_test ${tests})
    target_link_libraries(millrace_${name}_test PRIVATE millrace::${name})
  endif()
endfunction()

# Here and not in the function: the command sets a variable of the scope that it is called in.
enable_testing()

# millrace_test(TARGET source…): a GoogleTest program, each of its tests known to CTest. Run by test name: ctest -R NAME.
function(millrace_test target)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(${target} ${ARGN})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/test)
  target_link_libraries(${target} PRIVATE millrace_options GTest::gmock GTest::gtest_main)
  # Test bodies are compiled far more often than they run; the code under test keeps the preset's optimisation.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O0>)
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 60)
endfunction()
