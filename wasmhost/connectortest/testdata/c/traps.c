// Traps if the CRM answers 401.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  int status = ask(ME);
  int id = number_after(answer, "\\\"id\\\":");
  if (status == 401) __builtin_trap();
  if (status != 200 || !id || !after(answer, "\\\"email\\\":")) return trouble(status);
  return person("traps", id);
}
