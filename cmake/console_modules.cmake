# cmake -D SOURCE=console -D OUT=build/…/console -D NPM=npm -P this: OUT/node_modules as the lock file wants them. Nothing is asked of a network while
# they are what was installed last, whatever the files' times say.
file(MAKE_DIRECTORY ${OUT})
set(wanted "")
foreach(name package.json package-lock.json)
  file(SHA256 ${SOURCE}/${name} hash)
  string(APPEND wanted "${hash}\n")
endforeach()
set(installed "")
if(EXISTS ${OUT}/modules.stamp AND EXISTS ${OUT}/node_modules/esbuild/package.json)
  file(READ ${OUT}/modules.stamp installed)
endif()
if(NOT installed STREQUAL wanted)
  file(COPY ${SOURCE}/package.json ${SOURCE}/package-lock.json DESTINATION ${OUT})
  # Scripts of packages do not run: esbuild needs none where its binary comes as a package.
  execute_process(COMMAND ${NPM} ci --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error
    WORKING_DIRECTORY ${OUT} RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text TIMEOUT 300)
  if(failed)
    file(REMOVE ${OUT}/modules.stamp)
    message(FATAL_ERROR "npm ci failed (${failed}); the console's packages come from npm's registry once. Without it configure with -DMILLRACE_CONSOLE=OFF.\n${text}")
  endif()
endif()
file(WRITE ${OUT}/modules.stamp "${wanted}")
