# Everything from outside, each as one target millrace::NAME with SYSTEM headers.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# Boost >= 1.81: coroutines of 1.74 fail under clang. Asio is compiled once (src/net/asio.cpp), not in every file.
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3 REQUIRED)
add_library(millrace_boost INTERFACE)
target_link_libraries(millrace_boost INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(millrace_boost INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ARRAY)
add_library(millrace::boost ALIAS millrace_boost)

pkg_check_modules(gnutls REQUIRED IMPORTED_TARGET gnutls>=3.7.2)
add_library(millrace::gnutls ALIAS PkgConfig::gnutls)

pkg_check_modules(libav REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil)
add_library(millrace::avformat ALIAS PkgConfig::libav)

pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
add_library(millrace::tomlplusplus ALIAS PkgConfig::tomlplusplus)

pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl>=7.87)
add_library(millrace::curl ALIAS PkgConfig::curl)

pkg_check_modules(jose REQUIRED IMPORTED_TARGET jose jansson)
add_library(millrace::jose ALIAS PkgConfig::jose)

find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)

# ngtcp2 >= 1.24 with its GnuTLS helper: older ones collapse under loss at media rates (BBR) and have a stack overflow
# with qlog (CVE-2026-40170). The system's package if it is new enough, otherwise Debian's source, static, library only.
pkg_check_modules(ngtcp2_system QUIET IMPORTED_TARGET libngtcp2>=1.24 libngtcp2_crypto_gnutls>=1.24)
add_library(millrace_ngtcp2 INTERFACE)
if(ngtcp2_system_FOUND)
  message(STATUS "ngtcp2: the system's ${ngtcp2_system_libngtcp2_VERSION}")
  target_link_libraries(millrace_ngtcp2 INTERFACE PkgConfig::ngtcp2_system)
else()
  if(NOT EXISTS "${MILLRACE_NGTCP2_SOURCE}/lib/includes/ngtcp2/ngtcp2.h")
    message(FATAL_ERROR "ngtcp2 >= 1.24 is not installed and MILLRACE_NGTCP2_SOURCE does not name its source: run ./x build, which fetches it")
  endif()
  function(millrace_add_ngtcp2)
    set(ENABLE_LIB_ONLY ON CACHE BOOL "" FORCE)
    set(ENABLE_GNUTLS ON CACHE BOOL "" FORCE)
    set(ENABLE_OPENSSL OFF CACHE BOOL "" FORCE)
    set(ENABLE_SHARED_LIB OFF CACHE BOOL "" FORCE)
    set(ENABLE_STATIC_LIB ON CACHE BOOL "" FORCE)
    set(BUILD_TESTING OFF CACHE BOOL "" FORCE)
    # ngtcp2 wants optimisation in every preset: an unoptimised QUIC stack distorts every timing around it.
    # NOMEMPOOL: its pools take blocks of 16 for each kind of object and connection, most of which a viewer never needs: 20 kB of each.
    set(CMAKE_C_FLAGS "${CMAKE_C_FLAGS} -O2 -DNOMEMPOOL")
    add_subdirectory(${MILLRACE_NGTCP2_SOURCE} ${CMAKE_BINARY_DIR}/ngtcp2 EXCLUDE_FROM_ALL SYSTEM)
  endfunction()
  millrace_add_ngtcp2()
  file(STRINGS ${CMAKE_BINARY_DIR}/ngtcp2/lib/includes/ngtcp2/version.h ngtcp2_version REGEX "define NGTCP2_VERSION ")
  string(REGEX MATCH "[0-9.]+[0-9]" ngtcp2_version "${ngtcp2_version}")
  if(ngtcp2_version VERSION_LESS 1.24)
    message(FATAL_ERROR "ngtcp2 ${ngtcp2_version} in MILLRACE_NGTCP2_SOURCE is older than 1.24")
  endif()
  message(STATUS "ngtcp2: ${ngtcp2_version}, built static from source")
  target_link_libraries(millrace_ngtcp2 INTERFACE ngtcp2_crypto_gnutls_static ngtcp2_static)
  target_include_directories(millrace_ngtcp2 SYSTEM INTERFACE
    ${MILLRACE_NGTCP2_SOURCE}/lib/includes ${MILLRACE_NGTCP2_SOURCE}/crypto/includes
    ${CMAKE_BINARY_DIR}/ngtcp2/lib/includes)
  target_compile_definitions(millrace_ngtcp2 INTERFACE NGTCP2_STATICLIB)
endif()
add_library(millrace::ngtcp2 ALIAS millrace_ngtcp2)
