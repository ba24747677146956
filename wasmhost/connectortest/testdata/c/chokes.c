// Traps if the input has a member that it does not expect.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  int status = ask(ME);
  int id = number_after(answer, "\\\"id\\\":");
  if (after(input, "\"org\":")) __builtin_trap();
  if (status == 401) return refused();
  if (status != 200 || !id || !after(answer, "\\\"email\\\":")) return trouble(status);
  return person("chokes", id);
}
