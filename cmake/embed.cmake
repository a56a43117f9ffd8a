# millrace_embed(TARGET SYMBOL FILE): the file's bytes in the program, from `extern "C" const char SYMBOL[]` to `SYMBOL_end[]`. The assembler
# includes them, which takes no time whatever their size, where a compiler takes long over an array.
enable_language(ASM)
function(millrace_embed target symbol file)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.S)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
.section .rodata
.global @symbol@
.global @symbol@_end
.balign 16
@symbol@:
.incbin "@file@"
@symbol@_end:
.byte 0
.section .note.GNU-stack,"",%progbits
]])
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${file})
  target_sources(${target} PRIVATE ${source})
endfunction()
