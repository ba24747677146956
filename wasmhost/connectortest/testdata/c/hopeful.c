// It does not look at what the CRM answers.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  ask(ME);
  return person("hopeful", 7);
}
