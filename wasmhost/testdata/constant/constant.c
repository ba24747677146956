// Constant makes the calls of the example connector, with constant documents: what it costs is the server's part of a call.
#define IMPORT(name) __attribute__((import_module("crmgate_v1"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name))) int

IMPORT("input") unsigned input(void *at, unsigned capacity);
IMPORT("output") void output(const void *at, unsigned size);
IMPORT("fetch") unsigned fetch(const void *at, unsigned size);
IMPORT("take") unsigned take(void *at, unsigned capacity);

static const char type[] = "{\"type\":\"oauth\"}";
static const char request[] =
  "{\"method\":\"GET\",\"url\":\"https://api.acme.example/me\",\"headers\":{\"Authorization\":\"Bearer x\",\"Accept\":\"application/json\"}}";
static const char answer[] =
  "{\"successful\":true,\"platformUserInfo\":{\"id\":\"1-acme\",\"name\":\"Ada Lovelace\",\"timezoneName\":\"Europe/London\",\"timezoneOffset\":0,"
  "\"platformAdditionalInfo\":{\"email\":\"ada@example.com\"}},\"returnMessage\":{\"message\":\"Connected to Acme.\",\"messageType\":\"success\","
  "\"ttl\":3000}}";
static char buffer[16 << 10];

EXPORT("getAuthType") get_auth_type(void) {
  output(type, sizeof type - 1);
  return 0;
}

EXPORT("getOauthInfo") get_oauth_info(void) { return 2; }

EXPORT("getUserInfo") get_user_info(void) {
  input(buffer, sizeof buffer);
  fetch(request, sizeof request - 1);
  take(buffer, sizeof buffer);
  output(answer, sizeof answer - 1);
  return 0;
}
