// The ABI for connectors in C without a library.
#define IMPORT(name) __attribute__((import_module("crmgate_v1"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name))) int

typedef unsigned len;

IMPORT("input") len host_input(void *p, len capacity);
IMPORT("output") void host_output(const void *p, len n);
IMPORT("fetch") len host_fetch(const void *p, len n);
IMPORT("config") int host_config(const void *p, len n);
IMPORT("take") len host_take(void *p, len capacity);
IMPORT("log") void host_log(int level, const void *p, len n);
IMPORT("now") long long host_now(void);
IMPORT("random") void host_random(void *p, len n);

static char input[64 << 10], answer[64 << 10], doc[64 << 10];
static len at;

static len size(const char *s) {
  len n = 0;
  while (s[n]) n++;
  return n;
}

// put adds a text to doc; begin and end enclose a document.
static void put(const char *s) {
  while (*s && at < sizeof doc - 1) doc[at++] = *s++;
  doc[at] = 0;
}
static void begin(void) { at = 0; }

static void put_number(long long n) {
  char digits[24];
  int i = sizeof digits - 1;
  digits[i] = 0;
  do digits[--i] = '0' + n % 10; while (n /= 10);
  put(digits + i);
}

static int reply(int result) {
  host_output(doc, at);
  return result;
}

static int say(int result, const char *text) {
  begin();
  put(text);
  return reply(result);
}

// after returns what follows a text, or 0 if the text is not found.
static const char *after(const char *s, const char *text) {
  for (; *s; s++) {
    len i = 0;
    while (text[i] && s[i] == text[i]) i++;
    if (!text[i]) return s + i;
  }
  return 0;
}

static int number_after(const char *s, const char *text) {
  int n = 0;
  if (!(s = after(s, text))) return 0;
  while (*s >= '0' && *s <= '9') n = 10 * n + *s++ - '0';
  return n;
}

static void read_input(void) {
  len n = host_input(input, sizeof input - 1);
  input[n < sizeof input ? n : 0] = 0;
}

// text copies the characters that follow a text, up to the next quotation mark.
static void text(const char *s, const char *following, char *into, len capacity) {
  len i = 0;
  s = after(s, following);
  while (s && *s && *s != '"' && i < capacity - 1) into[i++] = *s++;
  into[i] = 0;
}

static char auth[4 << 10];

// ask performs a GET with the user's credential. It returns the status, or 0 if there was no answer.
static int ask(const char *url) {
  read_input();
  text(input, "\"authHeader\":\"", auth, sizeof auth);
  begin();
  put("{\"method\":\"GET\",\"url\":\"");
  put(url);
  put("\",\"headers\":{\"Authorization\":\"");
  put(auth);
  put("\"}}");
  len n = host_fetch(doc, at);
  n = host_take(answer, sizeof answer - 1);
  answer[n < sizeof answer ? n : 0] = 0;
  return number_after(answer, "\"status\":");
}

static int trouble(int status) {
  begin();
  put("{\"message\":\"the CRM is in trouble\"");
  if (status) {
    put(",\"status\":");
    put_number(status);
  }
  put("}");
  return reply(1);
}

static int refused(void) {
  return say(0, "{\"successful\":false,\"returnMessage\":{\"messageType\":\"warning\",\"message\":\"The CRM did not accept the sign-in.\"}}");
}

// person answers with the user in the CRM's answer.
static int person(const char *platform, long long id) {
  char name[256];
  text(answer, "\\\"name\\\":\\\"", name, sizeof name);
  for (len i = 0; name[i]; i++) if (name[i] == '\\') name[i] = 0;
  begin();
  put("{\"successful\":true,\"platformUserInfo\":{\"id\":\"");
  put_number(id);
  put("-");
  put(platform);
  put("\",\"name\":\"");
  put(name);
  put("\"}}");
  return reply(0);
}

#define ME "http://127.0.0.1:8081/api/me"

// OAUTH defines the two operations that all test connectors have.
#define OAUTH \
  EXPORT("getAuthType") get_auth_type(void) { return say(0, "{\"type\":\"oauth\"}"); } \
  EXPORT("getOauthInfo") get_oauth_info(void) { return say(0, "{\"accessTokenUri\":\"http://127.0.0.1:8081/oauth/token\"}"); }
