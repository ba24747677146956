// See main.go. This one keeps the header in a static variable and in memory from the C library.
#include <stdlib.h>
#include <string.h>

#include "crmgate.h"

static char previous[256] = "none";
static char *kept;

CRM_OPERATION(getAuthType) {
  out->type = CRM("oauth");
  return CRM_OK;
}

CRM_OPERATION(getOauthInfo) { return CRM_UNSUPPORTED; }

CRM_OPERATION(getUserInfo) {
  const char *id = kept ? kept : previous;
  crm_platform_user_info *person = crm_alloc(sizeof *person);
  person->id = CRM_CAT((crm_text){id, strlen(id)});
  out->platform_user_info = person;
  out->successful = CRM_YES;
  for (int i = 0; i < 8; i++) {  // the memory of both allocators must stay apart
    kept = malloc(1 << 17);
    memset(kept, 'x', 1 << 17);
    memset(crm_alloc(1 << 17), 'y', 1 << 17);
    if (kept[0] != 'x' || kept[(1 << 17) - 1] != 'x') return crm_fail(CRM("memory is used twice"));
  }
  memcpy(previous, in->auth_header.at, in->auth_header.size);
  strcpy(kept, previous);
  return CRM_OK;
}
