// Leaks a page of memory every eight calls.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  int status = ask(ME);
  int id = number_after(answer, "\\\"id\\\":");
  static int calls;
  if (++calls % 8 == 0) __builtin_wasm_memory_grow(0, 1);
  if (status == 401) return refused();
  if (status != 200 || !id || !after(answer, "\\\"email\\\":")) return trouble(status);
  return person("leaks", id);
}
