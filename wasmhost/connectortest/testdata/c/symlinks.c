// Creates a symbolic link.
#include <unistd.h>
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  symlink("a", "b");
  return refused();
}
