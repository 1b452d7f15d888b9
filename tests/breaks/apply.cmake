# cmake -DLIST=list.cmake -DSOURCE=top -DFILE=router/x/y.c -DOUTPUT=y.c -P apply.cmake
# Writes the file with its breaks, each asleep until FEDROUTER_BROKEN names it.
file(READ ${SOURCE}/${FILE} text)

function(broken word file test claim old new)
  if(NOT file STREQUAL FILE)
    return()
  endif()
  string(FIND "${text}" "${old}" first)
  string(FIND "${text}" "${old}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "${word}: ${file} has these lines not once: adapt tests/breaks/list.cmake\n${old}")
  endif()
  string(REPLACE "${old}" "${new}" text "${text}")
  set(text "${text}" PARENT_SCOPE)
endfunction()

include(${LIST})
file(WRITE ${OUTPUT} "#include \"breaks/broken.h\"\n#line 1 \"${FILE}\"\n${text}")
