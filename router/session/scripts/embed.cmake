# cmake -DSOURCE=router/session/scripts -DOUTPUT=scripts_text.c -P embed.cmake
# Makes the C table of session/scripts.h: of each script the prologue and its own text.
function(quote file ret)
  file(READ ${SOURCE}/${file}.lua text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  set(${ret} "\"${text}\"" PARENT_SCOPE)
endfunction()

quote(prologue prologue)
set(rows "")
foreach(name renew claim assert release sweep bury bye)
  quote(${name} text)
  string(TOUPPER ${name} upper)
  string(APPEND rows "    [SCRIPT_${upper}] = {\"${name}\",\n    ${prologue}\n    ${text}},\n")
endforeach()
file(WRITE ${OUTPUT} "/* Made from router/session/scripts by embed.cmake. */
#include \"session/scripts.h\"

const struct script scripts[SCRIPT_COUNT] = {
${rows}};
")
