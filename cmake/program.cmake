# The program, one binary with commands; and the tests that need all of it.
file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.cpp)
if(cli_sources)
  add_executable(millrace ${cli_sources})
  target_link_libraries(millrace PRIVATE millrace_options millrace::server millrace::client CLI11::CLI11 spdlog::spdlog)
  target_compile_definitions(millrace PRIVATE MILLRACE_VERSION="${PROJECT_VERSION}")
  install(TARGETS millrace RUNTIME DESTINATION bin)
endif()

file(GLOB wire_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/wire/*_test.cpp)
if(MILLRACE_TESTS AND wire_tests)
  millrace_test(millrace_wire_test ${wire_tests})
  target_link_libraries(millrace_wire_test PRIVATE millrace::server millrace::client)
endif()
