// Requests an undeclared host in two operations.
#include "connector.h"

OAUTH

#define ELSEWHERE "https://statistics.example/me"

EXPORT("getUserInfo") get_user_info(void) {
  int status = ask(ELSEWHERE);
  return trouble(status);
}

EXPORT("unAuthorize") un_authorize(void) {
  int status = ask(ELSEWHERE);
  return trouble(status);
}
