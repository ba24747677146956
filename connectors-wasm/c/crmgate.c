#include "crmgate.h"

// The imports of ABI.md. The server copies the bytes and keeps no pointer.
#define IMPORT(name) __attribute__((import_module("crmgate_v1"), import_name(name)))
IMPORT("input") unsigned host_input(void *at, unsigned capacity);
IMPORT("output") void host_output(const void *at, unsigned size);
IMPORT("fetch") unsigned host_fetch(const void *at, unsigned size);
IMPORT("config") int host_config(const void *at, unsigned size);
IMPORT("derive") int host_derive(const void *at, unsigned size);
IMPORT("take") unsigned host_take(void *at, unsigned capacity);
IMPORT("log") void host_log(int level, const void *at, unsigned size);
IMPORT("now") long long host_now(void);
IMPORT("random") void host_random(void *at, unsigned size);

// clang calls these functions of the C library. They are weak, so that the library's own take precedence where a connector has one.
// no_builtin keeps clang from making each of them a call of itself.
#define LIBC(name) __attribute__((weak, no_builtin(name)))

LIBC("memcpy") void *memcpy(void *to, const void *from, __SIZE_TYPE__ size) {
  for (__SIZE_TYPE__ i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}

LIBC("memset") void *memset(void *to, int byte, __SIZE_TYPE__ size) {
  for (__SIZE_TYPE__ i = 0; i < size; i++) ((char *)to)[i] = (char)byte;
  return to;
}

extern char __heap_base;
extern void *malloc(__SIZE_TYPE__ size) __attribute__((weak));

static unsigned top, limit;  // between them memory is free; both are 0 before the first allocation

// raw returns memory that may have been used: what the last allocation gave back. It comes from the C library's malloc if there is one.
static char *raw(unsigned size) {
  const unsigned page = 1 << 16;
  if (size > (64u << 20)) __builtin_trap();
  size = size + 7 & ~7u;
  if (!limit && !malloc) {
    top = (unsigned)&__heap_base + 7 & ~7u;
    limit = __builtin_wasm_memory_size(0) * page;
  }
  if (size > limit - top) {
    if (malloc) {
      unsigned most = size > page ? size : page;
      top = (unsigned)malloc(most);
      limit = top + most;
      if (!top) __builtin_trap();
    } else {
      unsigned pages = (size - (limit - top) + page - 1) / page;
      if (__builtin_wasm_memory_grow(0, pages) == (__SIZE_TYPE__)-1) __builtin_trap();
      limit += pages * page;
    }
  }
  top += size;
  return (char *)top - size;
}

void *crm_alloc(unsigned size) { return __builtin_memset(raw(size), 0, size); }

static char *copy(char *to, crm_text t) {
  __builtin_memcpy(to, t.at, t.size);
  return to + t.size;
}

crm_text crm_join(const crm_text *texts, unsigned count) {
  unsigned size = 0;
  for (unsigned i = 0; i < count; i++) size += texts[i].size;
  char *at = raw(size), *to = at;
  for (unsigned i = 0; i < count; i++) to = copy(to, texts[i]);
  return (crm_text){at, size};
}

_Bool crm_equal(crm_text a, crm_text b) {
  if (a.size != b.size) return 0;
  for (unsigned i = 0; i < a.size; i++)
    if (a.at[i] != b.at[i]) return 0;
  return 1;
}

static crm_text literal(const char *s) {
  unsigned size = 0;
  while (s[size]) size++;
  return (crm_text){s, size};
}

// A buffer is a text that is being written.
typedef struct {
  char *at;
  unsigned size, capacity;
} buffer;

static void need(buffer *b, unsigned more) {
  if (b->size + more <= b->capacity) return;
  unsigned capacity = 2 * (b->size + more) + 64 & ~7u;
  if (b->at && (unsigned)b->at + b->capacity == top && capacity - b->capacity <= limit - top) {  // it grows where it is
    raw(capacity - b->capacity);
  } else {
    char *at = raw(capacity);
    copy(at, (crm_text){b->at, b->size});
    b->at = at;
  }
  b->capacity = capacity;
}

static void put(buffer *b, crm_text t) {
  need(b, t.size);
  copy(b->at + b->size, t);
  b->size += t.size;
}

static void put_byte(buffer *b, char c) {
  need(b, 1);
  b->at[b->size++] = c;
}

static void put_int(buffer *b, long long n) {
  char digits[20];
  int i = sizeof digits;
  unsigned long long left = n < 0 ? -(unsigned long long)n : n;
  do digits[--i] = '0' + left % 10;
  while (left /= 10);
  if (n < 0) put_byte(b, '-');
  put(b, (crm_text){digits + i, sizeof digits - i});
}

static crm_text done(buffer *b) { return (crm_text){b->at, b->size}; }

typedef struct {
  const char *at, *end;
  unsigned depth;
} reader;

// rune returns the length of the character of UTF-8 at p, 0 if there is none.
static unsigned rune(const char *p, const char *end) {
  const unsigned char *u = (const unsigned char *)p;
  unsigned left = end - p, c = u[0];
  if (c < 0x80) return 1;
  unsigned n = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
  if (!n || left < n) return 0;
  unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
  if (u[1] < low || u[1] > high) return 0;
  for (unsigned i = 2; i < n; i++)
    if ((u[i] & 0xc0) != 0x80) return 0;
  return n;
}

static char *put_rune(char *to, unsigned c) {
  if (c < 0x80) {
    *to++ = c;
    return to;
  }
  if (c < 0x800) {
    *to++ = 0xc0 | c >> 6;
  } else {
    if (c < 0x10000) {
      *to++ = 0xe0 | c >> 12;
    } else {
      *to++ = 0xf0 | c >> 18;
      *to++ = 0x80 | (c >> 12 & 0x3f);
    }
    *to++ = 0x80 | (c >> 6 & 0x3f);
  }
  *to++ = 0x80 | (c & 0x3f);
  return to;
}

// hex4 reads four hexadecimal digits, and returns -1 if there are none.
static int hex4(const char *p, const char *end) {
  int n = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
    if (digit < 0) return -1;
    n = n << 4 | digit;
  }
  return n;
}

// plain returns where the first character after p is that a string cannot have as it is, or that is not ASCII. It looks at eight bytes at
// once: the lowest bit that is set in odd is in the first such byte.
static const char *plain(const char *p, const char *end) {
  typedef unsigned long long eight;
  const eight ones = 0x0101010101010101, high = ones << 7;
  for (; end - p >= 8; p += 8) {
    eight x, quote, backslash;
    __builtin_memcpy(&x, p, 8);
    quote = x ^ ones * '"';
    backslash = x ^ ones * '\\';
    eight odd = (((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | x) & high;
    if (odd) return p + __builtin_ctzll(odd) / 8;
  }
  while (p < end && *p >= 0x20 && *p != '"' && *p != '\\') p++;  // char is signed
  return p;
}

// unescaped decodes the escape sequence at *p. It returns where the text goes on, 0 if there is none. Half of a surrogate pair becomes U+FFFD.
static char *unescaped(const char **p, const char *end, char *to) {
  if (end - *p < 2) return 0;
  char c = (*p)[1];
  *p += 2;
  switch (c) {
    case 'b': *to = '\b'; return to + 1;
    case 'f': *to = '\f'; return to + 1;
    case 'n': *to = '\n'; return to + 1;
    case 'r': *to = '\r'; return to + 1;
    case 't': *to = '\t'; return to + 1;
    case '"': case '\\': case '/': *to = c; return to + 1;
    case 'u': break;
    default: return 0;
  }
  int first = hex4(*p, end);
  if (first < 0) return 0;
  *p += 4;
  if (first >> 10 == 0x36 && end - *p >= 2 && (*p)[0] == '\\' && (*p)[1] == 'u') {  // the first half of a pair
    int second = hex4(*p + 2, end);
    if (second >> 10 == 0x37) {
      first = 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
      *p += 6;
    }
  }
  return put_rune(to, first >> 11 == 0x1b ? 0xfffd : first);
}

// string reads a string after its first quotation mark. Without an escape sequence, its text stays where it is.
static _Bool string(reader *r, crm_text *into) {
  const char *p = r->at, *run = p, *end = r->end;
  char *at = 0, *to = 0;
  for (;;) {
    p = plain(p, end);
    if (p == end) return 0;
    if (*p < 0) {
      unsigned n = rune(p, end);
      if (!n) return 0;
      p += n;
      continue;
    }
    if (*p == '"') break;
    if (*p != '\\') return 0;
    if (!at) at = to = raw(end - run);
    to = copy(to, (crm_text){run, p - run});
    if (!(to = unescaped(&p, end, to))) return 0;
    run = p;
  }
  if (at) {
    to = copy(to, (crm_text){run, p - run});
    top = (unsigned)to + 7 & ~7u;  // the rest is free again
    *into = (crm_text){at, to - at};
  } else {
    *into = (crm_text){run, p - run};
  }
  r->at = p + 1;
  return 1;
}

static _Bool digits(reader *r) {
  const char *from = r->at;
  while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
  return r->at > from;
}

static _Bool next_is(reader *r, char c) {
  if (r->at == r->end || *r->at != c) return 0;
  r->at++;
  return 1;
}

static _Bool number(reader *r, crm_text *into) {
  const char *from = r->at;
  next_is(r, '-');
  if (!next_is(r, '0') && !digits(r)) return 0;
  if (next_is(r, '.') && !digits(r)) return 0;
  if (next_is(r, 'e') || next_is(r, 'E')) {
    if (!next_is(r, '+')) next_is(r, '-');
    if (!digits(r)) return 0;
  }
  *into = (crm_text){from, r->at - from};
  return 1;
}

static void blank(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static _Bool word(reader *r, const char *w) {
  while (*w)
    if (!next_is(r, *w++)) return 0;
  return 1;
}

static void append(crm_json *list, crm_json *value) {
  if (list->last) list->last->next = value; else list->first = value;
  list->last = value;
}

static crm_json *made(int kind, crm_text text) {
  crm_json *v = crm_alloc(sizeof *v);
  v->kind = kind;
  v->text = text;
  return v;
}

static crm_json *value(reader *r);

// values reads the members of an object or an array after its bracket.
static _Bool values(reader *r, crm_json *list, char close) {
  if (++r->depth > CRM_DEPTH) return 0;
  blank(r);
  if (!next_is(r, close)) {
    do {
      crm_text name = {0};
      blank(r);
      if (list->kind == CRM_OBJECT) {
        if (!next_is(r, '"') || !string(r, &name)) return 0;
        blank(r);
        if (!next_is(r, ':')) return 0;
        blank(r);
      }
      crm_json *v = value(r);
      if (!v) return 0;
      v->name = name;
      append(list, v);
      blank(r);
    } while (next_is(r, ','));
    if (!next_is(r, close)) return 0;
  }
  r->depth--;
  return 1;
}

static crm_json *value(reader *r) {
  crm_json *v = made(CRM_NULL, (crm_text){0});
  if (r->at == r->end) return 0;
  switch (*r->at) {
    case '{':
      r->at++;
      v->kind = CRM_OBJECT;
      return values(r, v, '}') ? v : 0;
    case '[':
      r->at++;
      v->kind = CRM_ARRAY;
      return values(r, v, ']') ? v : 0;
    case '"':
      r->at++;
      v->kind = CRM_STRING;
      return string(r, &v->text) ? v : 0;
    case 't':
      v->kind = CRM_TRUE;
      return word(r, "true") ? v : 0;
    case 'f':
      v->kind = CRM_FALSE;
      return word(r, "false") ? v : 0;
    case 'n':
      return word(r, "null") ? v : 0;
  }
  v->kind = CRM_NUMBER;
  return number(r, &v->text) ? v : 0;
}

crm_json *crm_parse(crm_text document) {
  reader r = {document.at, document.at + document.size, 0};
  blank(&r);
  crm_json *v = value(&r);
  blank(&r);
  return v && r.at == r.end ? v : 0;
}

static const crm_json null;

static const crm_json *member(const crm_json *object, crm_text name) {
  const crm_json *found = &null;
  for (const crm_json *v = object->kind == CRM_OBJECT ? object->first : 0; v; v = v->next)
    if (crm_equal(v->name, name)) found = v;
  return found;
}

const crm_json *crm_get(const crm_json *object, const char *name) { return member(object, literal(name)); }

crm_text crm_string(const crm_json *v) { return v->kind == CRM_STRING ? v->text : (crm_text){0}; }

crm_text crm_scalar(const crm_json *v) { return v->kind == CRM_NUMBER ? v->text : crm_string(v); }

crm_json *crm_object(void) { return made(CRM_OBJECT, (crm_text){0}); }

crm_json *crm_array(void) { return made(CRM_ARRAY, (crm_text){0}); }

crm_json *crm_of_text(crm_text text) { return made(CRM_STRING, text); }

crm_json *crm_of_int(long long number) {
  buffer b = {0};
  put_int(&b, number);
  return made(CRM_NUMBER, done(&b));
}

crm_json *crm_of_bool(_Bool v) { return made(v ? CRM_TRUE : CRM_FALSE, (crm_text){0}); }

crm_json *crm_set(crm_json *object, const char *name, crm_json *v) {
  v->name = literal(name);
  append(object, v);
  return object;
}

crm_json *crm_add(crm_json *array, crm_json *v) {
  append(array, v);
  return array;
}

static void put_string(buffer *b, crm_text t) {
  const char *p = t.at, *end = t.at + t.size;
  need(b, t.size + 2);
  put_byte(b, '"');
  while (p < end) {
    const char *run = p;
    unsigned n;
    while ((p = plain(p, end)) < end && *p < 0 && (n = rune(p, end))) p += n;
    put(b, (crm_text){run, p - run});
    if (p == end) break;
    char c = *p++;
    if (c < 0) {
      put(b, CRM("\xef\xbf\xbd"));
    } else if (c >= 0x20) {
      put_byte(b, '\\');
      put_byte(b, c);
    } else {
      put(b, CRM("\\u00"));
      put_byte(b, "01"[c >> 4]);
      put_byte(b, "0123456789abcdef"[c & 15]);
    }
  }
  put_byte(b, '"');
}

// between puts a comma, unless b ends with the bracket of an empty object or array.
static void between(buffer *b) {
  char last = b->at[b->size - 1];
  if (last != '{' && last != '[') put_byte(b, ',');
}

static void put_name(buffer *b, crm_text name) {
  between(b);
  put_string(b, name);
  put_byte(b, ':');
}

static void put_value(buffer *b, const crm_json *v) {
  switch (v->kind) {
    case CRM_NULL: return put(b, CRM("null"));
    case CRM_FALSE: return put(b, CRM("false"));
    case CRM_TRUE: return put(b, CRM("true"));
    case CRM_NUMBER: return put(b, v->text);
    case CRM_STRING: return put_string(b, v->text);
    case CRM_ARRAY:
    case CRM_OBJECT:
      put_byte(b, v->kind == CRM_ARRAY ? '[' : '{');
      for (const crm_json *m = v->first; m; m = m->next) {
        if (v->kind == CRM_OBJECT) put_name(b, m->name); else between(b);
        put_value(b, m);
      }
      put_byte(b, v->kind == CRM_ARRAY ? ']' : '}');
  }
}

crm_text crm_write(const crm_json *v) {
  buffer b = {0};
  put_value(&b, v);
  return done(&b);
}

// A member of a document lies at an offset of its struct.
typedef struct {
  crm_text name;
  enum {
    TEXT,   // crm_text
    WORDS,  // crm_text; in JSON also an array
    FLAG,   // crm_flag
    INT,    // long long; 0 is unset. In JSON also a string
    JSON,   // crm_json *
    PAIRS,  // crm_pairs
    ONE,    // a pointer to a document
    LIST,   // a pointer to documents, and their count
    SELF,   // crm_json *: the document itself
  } type;
  unsigned offset;
  _Bool required;
  const crm_document *document;
} field;

struct crm_document {
  unsigned size, count;
  const field *fields;
};

typedef struct {
  char *at;
  unsigned count;
} list;

#define FIELD(type, name, kind, member, ...) {{name, sizeof name - 1}, kind, __builtin_offsetof(type, member), __VA_ARGS__}
#define REQUIRED 1
#define OPTIONAL 0
#define DOCUMENT(name, type, ...)                \
  static const field name##_fields[] = __VA_ARGS__; \
  static const crm_document name = {sizeof(type), sizeof name##_fields / sizeof(field), name##_fields};

#define T crm_oauth_info
DOCUMENT(oauth_info, T, {
  FIELD(T, "clientId", TEXT, client_id), FIELD(T, "clientSecret", TEXT, client_secret),
  FIELD(T, "accessTokenUri", TEXT, access_token_uri), FIELD(T, "authorizationUri", TEXT, authorization_uri),
  FIELD(T, "redirectUri", TEXT, redirect_uri), FIELD(T, "scopes", WORDS, scopes), FIELD(T, "hostname", TEXT, hostname),
  FIELD(T, "revocationUri", TEXT, revocation_uri), FIELD(T, "tokenAuth", TEXT, token_auth),
  FIELD(T, "tokenEndpointAuthMethod", TEXT, token_endpoint_auth_method), FIELD(T, "failMessage", TEXT, fail_message),
})
#undef T
#define T crm_user
DOCUMENT(user, T, {
  FIELD(T, "id", TEXT, id, REQUIRED), FIELD(T, "platform", TEXT, platform, REQUIRED), FIELD(T, "hostname", TEXT, hostname, REQUIRED),
  FIELD(T, "rcAccountId", TEXT, rc_account_id), FIELD(T, "timezoneName", TEXT, timezone_name),
  FIELD(T, "timezoneOffset", JSON, timezone_offset), FIELD(T, "tokenExpiry", TEXT, token_expiry),
  FIELD(T, "platformAdditionalInfo", JSON, platform_additional_info),
})
#undef T
#define T crm_detail_item
DOCUMENT(detail_item, T, {FIELD(T, "id", TEXT, id, REQUIRED), FIELD(T, "type", TEXT, type, REQUIRED), FIELD(T, "text", TEXT, text, REQUIRED)})
#undef T
#define T crm_detail
DOCUMENT(detail, T, {FIELD(T, "title", TEXT, title, REQUIRED), FIELD(T, "items", LIST, items, REQUIRED, &detail_item)})
#undef T
#define T crm_return_message
DOCUMENT(return_message, T, {
  FIELD(T, "message", TEXT, message, REQUIRED), FIELD(T, "messageType", TEXT, message_type), FIELD(T, "ttl", INT, ttl),
  FIELD(T, "details", LIST, details, OPTIONAL, &detail),
})
#undef T
#define T crm_platform_user_info
DOCUMENT(platform_user_info, T, {
  FIELD(T, "id", TEXT, id, REQUIRED), FIELD(T, "name", TEXT, name, REQUIRED), FIELD(T, "timezoneName", TEXT, timezone_name),
  FIELD(T, "timezoneOffset", JSON, timezone_offset), FIELD(T, "platformAdditionalInfo", JSON, platform_additional_info),
  FIELD(T, "overridingHostname", TEXT, overriding_hostname), FIELD(T, "overridingApiKey", TEXT, overriding_api_key),
})
#undef T
#define T crm_user_change
DOCUMENT(user_change, T, {FIELD(T, "platformAdditionalInfo", JSON, platform_additional_info, REQUIRED)})
#undef T
#define T crm_managed_auth_option
DOCUMENT(managed_auth_option, T, {FIELD(T, "value", TEXT, value, REQUIRED), FIELD(T, "label", TEXT, label, REQUIRED)})
#undef T

static const crm_document none = {sizeof(crm_none), 0, 0};

#define T crm_auth_type
DOCUMENT(auth_type, T, {FIELD(T, "type", TEXT, type, REQUIRED)})
#undef T
#define T crm_oauth_info_request
DOCUMENT(oauth_info_request, T, {
  FIELD(T, "hostname", TEXT, hostname), FIELD(T, "tokenUrl", TEXT, token_url), FIELD(T, "rcAccountId", TEXT, rc_account_id),
  FIELD(T, "userEmail", TEXT, user_email), FIELD(T, "username", TEXT, username),
})
#undef T
#define T crm_oauth_option_request
DOCUMENT(oauth_option_request, T, {
  FIELD(T, "code", TEXT, code, REQUIRED), FIELD(T, "state", TEXT, state), FIELD(T, "oauthInfo", ONE, oauth_info, REQUIRED, &oauth_info),
})
#undef T
#define T crm_oauth_option
DOCUMENT(oauth_option, T, {FIELD(T, "headers", PAIRS, headers), FIELD(T, "query", PAIRS, query), FIELD(T, "body", PAIRS, body)})
#undef T
#define T crm_basic_auth_request
DOCUMENT(basic_auth_request, T, {FIELD(T, "apiKey", TEXT, api_key, REQUIRED)})
#undef T
#define T crm_basic_auth
DOCUMENT(basic_auth, T, {FIELD(T, "basic", TEXT, basic), FIELD(T, "header", TEXT, header)})
#undef T
#define T crm_user_info_request
DOCUMENT(user_info_request, T, {
  FIELD(T, "authHeader", TEXT, auth_header, REQUIRED), FIELD(T, "hostname", TEXT, hostname, REQUIRED),
  FIELD(T, "platform", TEXT, platform, REQUIRED), FIELD(T, "query", PAIRS, query), FIELD(T, "callbackUri", TEXT, callback_uri),
  FIELD(T, "tokenUrl", TEXT, token_url), FIELD(T, "apiUrl", TEXT, api_url), FIELD(T, "username", TEXT, username),
  FIELD(T, "data", JSON, data), FIELD(T, "apiKey", TEXT, api_key), FIELD(T, "additionalInfo", JSON, additional_info),
})
#undef T
#define T crm_user_info
DOCUMENT(user_info, T, {
  FIELD(T, "successful", FLAG, successful, REQUIRED),
  FIELD(T, "platformUserInfo", ONE, platform_user_info, OPTIONAL, &platform_user_info),
  FIELD(T, "returnMessage", ONE, return_message, OPTIONAL, &return_message),
})
#undef T
#define T crm_user_request
DOCUMENT(user_request, T, {
  FIELD(T, "user", ONE, user, REQUIRED, &user), FIELD(T, "authHeader", TEXT, auth_header, REQUIRED),
  FIELD(T, "refreshToken", TEXT, refresh_token),
})
#undef T
#define T crm_outcome
DOCUMENT(outcome, T, {
  FIELD(T, "successful", FLAG, successful), FIELD(T, "returnMessage", ONE, return_message, OPTIONAL, &return_message),
  FIELD(T, "user", ONE, user, OPTIONAL, &user_change),
})
DOCUMENT(decision, T, {
  FIELD(T, "successful", FLAG, successful, REQUIRED), FIELD(T, "returnMessage", ONE, return_message, OPTIONAL, &return_message),
  FIELD(T, "user", ONE, user, OPTIONAL, &user_change),
})
#undef T
#define T crm_license_status
DOCUMENT(license_status, T, {FIELD(T, "the object", SELF, object, REQUIRED)})
#undef T
#define T crm_refresh_request
DOCUMENT(refresh_request, T, {
  FIELD(T, "user", ONE, user, REQUIRED, &user), FIELD(T, "authHeader", TEXT, auth_header, REQUIRED),
  FIELD(T, "oauthInfo", ONE, oauth_info, REQUIRED, &oauth_info), FIELD(T, "refreshToken", TEXT, refresh_token),
})
#undef T
#define T crm_refreshed
DOCUMENT(refreshed, T, {
  FIELD(T, "accessToken", TEXT, access_token, REQUIRED), FIELD(T, "refreshToken", TEXT, refresh_token),
  FIELD(T, "expiresIn", INT, expires_in), FIELD(T, "user", ONE, user, OPTIONAL, &user_change),
})
#undef T
#define T crm_managed_auth_request
DOCUMENT(managed_auth_request, T, {
  FIELD(T, "fieldConst", TEXT, field_const, REQUIRED), FIELD(T, "accountValues", PAIRS, account_values, REQUIRED),
})
#undef T
#define T crm_managed_auth_options
DOCUMENT(managed_auth_options, T, {FIELD(T, "options", LIST, options, REQUIRED, &managed_auth_option)})
#undef T
#define T crm_request
DOCUMENT(request, T, {
  FIELD(T, "method", TEXT, method), FIELD(T, "url", TEXT, url, REQUIRED), FIELD(T, "headers", PAIRS, headers),
  FIELD(T, "redirect", TEXT, redirect),
})
#undef T
#define T crm_derivation
DOCUMENT(derivation, T, {
  FIELD(T, "base64", TEXT, base64), FIELD(T, "hmac", TEXT, hmac), FIELD(T, "key", TEXT, key), FIELD(T, "message", TEXT, message),
  FIELD(T, "encoding", TEXT, encoding),
})
#undef T

#define OPERATION(name, request, answer) const crm_document *const crm_##name##_reads = &request, *const crm_##name##_writes = &answer;

OPERATION(getAuthType, none, auth_type)
OPERATION(getOauthInfo, oauth_info_request, oauth_info)
OPERATION(getOverridingOAuthOption, oauth_option_request, oauth_option)
OPERATION(getBasicAuth, basic_auth_request, basic_auth)
OPERATION(getUserInfo, user_info_request, user_info)
OPERATION(authValidation, user_request, decision)
OPERATION(refreshUserInfo, user_request, decision)
OPERATION(unAuthorize, user_request, outcome)
OPERATION(postSaveUserInfo, user_request, outcome)
OPERATION(getLicenseStatus, user_request, license_status)
OPERATION(checkAndRefreshAccessToken, refresh_request, refreshed)
OPERATION(getManagedAuthOptions, managed_auth_request, managed_auth_options)

static _Bool read_pairs(const crm_json *from, crm_pairs *into) {
  if (from->kind != CRM_OBJECT) return 0;
  for (const crm_json *m = from->first; m; m = m->next) into->count++;
  crm_pair *p = into->at = crm_alloc(into->count * sizeof *p);
  for (const crm_json *m = from->first; m; m = m->next, p++) {
    if (m->kind != CRM_STRING) return 0;
    *p = (crm_pair){m->name, m->text};
  }
  return 1;
}

static _Bool read_words(const crm_json *from, crm_text *into) {
  *into = crm_string(from);
  if (from->kind != CRM_ARRAY) return from->kind == CRM_STRING;
  buffer b = {0};
  for (const crm_json *m = from->first; m; m = m->next) {
    if (m->kind != CRM_STRING) return 0;
    if (b.size) put_byte(&b, ' ');
    put(&b, m->text);
  }
  *into = done(&b);
  return 1;
}

static _Bool read_int(crm_text t, long long *into) {
  _Bool negative = t.size && t.at[0] == '-';
  if (t.size == negative || t.size > 18) return 0;
  *into = 0;
  for (unsigned i = negative; i < t.size; i++) {
    if (t.at[i] < '0' || t.at[i] > '9') return 0;
    *into = 10 * *into + t.at[i] - '0';
  }
  if (negative) *into = -*into;
  return 1;
}

// wrong fails the operation because of a member.
static _Bool wrong(const char *problem, const field *f) {
  crm_fail(CRM_CAT(literal(problem), CRM(": "), f->name));
  return 0;
}

static _Bool read_list(const crm_document *document, const crm_json *from, list *into) {
  for (const crm_json *m = from->first; m; m = m->next) into->count++;
  into->at = crm_alloc(into->count * document->size + 1);  // not 0 for an empty list
  unsigned i = 0;
  for (const crm_json *m = from->first; m; m = m->next)
    if (!crm_read(document, m, into->at + document->size * i++)) return 0;
  return 1;
}

static _Bool read_field(const field *f, const crm_json *v, void *into) {
  _Bool ok = 1;
  switch (f->type) {
    case TEXT:
      *(crm_text *)into = crm_string(v);
      ok = v->kind == CRM_STRING;
      break;
    case WORDS:
      ok = read_words(v, into);
      break;
    case FLAG:
      *(crm_flag *)into = v->kind == CRM_TRUE ? CRM_YES : CRM_NO;
      ok = v->kind == CRM_TRUE || v->kind == CRM_FALSE;
      break;
    case INT:
      ok = read_int(crm_scalar(v), into);
      break;
    case JSON:
    case SELF:
      *(const crm_json **)into = v;
      break;
    case PAIRS:
      ok = read_pairs(v, into);
      break;
    case ONE:
      *(void **)into = crm_alloc(f->document->size);
      return crm_read(f->document, v, *(void **)into);
    case LIST:
      if (v->kind == CRM_ARRAY) return read_list(f->document, v, into);
      ok = 0;
  }
  return ok || wrong("a member of the document has another type than expected", f);
}

_Bool crm_read(const crm_document *document, const crm_json *from, void *into) {
  if (from->kind != CRM_OBJECT) {
    crm_fail(CRM("the document has no object where one is expected"));
    return 0;
  }
  for (const field *f = document->fields; f < document->fields + document->count; f++) {
    const crm_json *v = f->type == SELF ? from : member(from, f->name);
    if (v->kind == CRM_NULL) {
      if (f->required) return wrong("the document lacks a member", f);
    } else if (!read_field(f, v, (char *)into + f->offset)) {
      return 0;
    }
  }
  return 1;
}

// unset reports whether a member is not set.
static _Bool unset(const field *f, const void *v) {
  switch (f->type) {
    case TEXT:
    case WORDS: return !((const crm_text *)v)->size;
    case FLAG: return *(const crm_flag *)v == CRM_UNSET;
    case INT: return !*(const long long *)v;
    case JSON:
    case SELF: return !*(const crm_json *const *)v || (*(const crm_json *const *)v)->kind == CRM_NULL;
    case ONE: return !*(void *const *)v;
    case PAIRS:
    case LIST: return !((const list *)v)->count;
  }
}

static void put_document(buffer *b, const crm_document *document, const void *from);

static void put_pairs(buffer *b, const crm_pairs *pairs) {
  put_byte(b, '{');
  for (unsigned i = 0; i < pairs->count; i++) {
    put_name(b, pairs->at[i].name);
    put_string(b, pairs->at[i].value);
  }
  put_byte(b, '}');
}

static void put_field(buffer *b, const field *f, const void *v) {
  switch (f->type) {
    case TEXT:
    case WORDS: return put_string(b, *(const crm_text *)v);
    case FLAG: return put(b, *(const crm_flag *)v == CRM_YES ? CRM("true") : CRM("false"));
    case INT: return put_int(b, *(const long long *)v);
    case JSON:
    case SELF: return put_value(b, *(const crm_json *const *)v);
    case PAIRS: return put_pairs(b, v);
    case ONE: return put_document(b, f->document, *(void *const *)v);
    case LIST:
      put_byte(b, '[');
      for (unsigned i = 0; i < ((const list *)v)->count; i++) {
        between(b);
        put_document(b, f->document, ((const list *)v)->at + i * f->document->size);
      }
      put_byte(b, ']');
  }
}

static void put_document(buffer *b, const crm_document *document, const void *from) {
  if (document->count == 1 && document->fields->type == SELF) return put_field(b, document->fields, from);
  put_byte(b, '{');
  for (const field *f = document->fields; f < document->fields + document->count; f++) {
    const void *v = (const char *)from + f->offset;
    if (unset(f, v) && !f->required) continue;
    put_name(b, f->name);
    put_field(b, f, v);
  }
  put_byte(b, '}');
}

crm_text crm_encode(const crm_document *document, const void *from) {
  buffer b = {0};
  put_document(&b, document, from);
  return done(&b);
}

// lacking returns a required member that is not set and that has no empty form: a flag, a value or a document.
static const field *lacking(const crm_document *document, const void *from) {
  for (const field *f = document->fields; f < document->fields + document->count; f++) {
    const void *v = (const char *)from + f->offset;
    if (f->required && unset(f, v) && (f->type == FLAG || f->type == JSON || f->type == SELF || f->type == ONE)) return f;
    const field *below = f->type == ONE && !unset(f, v) ? lacking(f->document, *(void *const *)v) : 0;
    if (below) return below;
  }
  return 0;
}

static crm_text received(unsigned size) {
  char *at = raw(size);
  host_take(at, size);
  return (crm_text){at, size};
}

_Bool crm_read_input(const crm_document *document, void *into) {
  enum { usual = 2048 };
  char *at = raw(usual);
  unsigned size = host_input(at, usual);
  if (size > usual) host_input(at = raw(size), size);
  crm_json *v = crm_parse((crm_text){at, size});
  if (v) return crm_read(document, v, into);
  crm_fail(CRM("the input is not JSON, or nested too deep"));
  return 0;
}

int crm_end(int result, const crm_document *document, const void *answer) {
  if (result != CRM_OK) return result;
  const field *f = lacking(document, answer);
  if (f) {
    wrong("the answer lacks a member", f);
    return CRM_FAILED;
  }
  crm_text t = crm_encode(document, answer);
  host_output(t.at, t.size);
  return CRM_OK;
}

int crm_fail_with(crm_text message, int status, crm_text code) {
  crm_json *e = crm_set(crm_object(), "message", crm_of_text(message.size ? message : CRM("the connector gave no reason")));
  if (status) crm_set(e, "status", crm_of_int(status));
  if (code.size) crm_set(e, "code", crm_of_text(code));
  crm_text t = crm_write(e);
  host_output(t.at, t.size);
  return CRM_FAILED;
}

int crm_fail(crm_text message) { return crm_fail_with(message, 0, (crm_text){0}); }

crm_pairs crm_pairs_of(const crm_pair *pairs, unsigned count) {
  crm_pairs made = {(crm_pair *)raw(count * sizeof *pairs), count};
  __builtin_memcpy(made.at, pairs, count * sizeof *pairs);
  return made;
}

crm_text crm_pair_of(crm_pairs pairs, crm_text name) {
  for (unsigned i = 0; i < pairs.count; i++)
    if (crm_equal(pairs.at[i].name, name)) return pairs.at[i].value;
  return (crm_text){0};
}

crm_return_message *crm_message(crm_text type, crm_text text, unsigned ttl) {
  crm_return_message *m = crm_alloc(sizeof *m);
  m->message_type = type;
  m->message = text;
  m->ttl = ttl;
  return m;
}

crm_json *crm_license(_Bool valid, crm_text status, crm_text description) {
  crm_json *object = crm_set(crm_object(), "isLicenseValid", crm_of_bool(valid));
  return crm_set(crm_set(object, "licenseStatus", crm_of_text(status)), "licenseStatusDescription", crm_of_text(description));
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static crm_text encoded(crm_text t) {
  unsigned size = (t.size + 2) / 3 * 4;
  char *at = raw(size), *to = at;
  for (unsigned i = 0; i < t.size; i += 3) {
    unsigned left = t.size - i, bits = (unsigned char)t.at[i] << 16;
    if (left > 1) bits |= (unsigned char)t.at[i + 1] << 8;
    if (left > 2) bits |= (unsigned char)t.at[i + 2];
    *to++ = alphabet[bits >> 18];
    *to++ = alphabet[bits >> 12 & 63];
    *to++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
    *to++ = left > 2 ? alphabet[bits & 63] : '=';
  }
  return (crm_text){at, size};
}

// decoded reads the base64 of the server, which is well-formed.
static crm_text decoded(crm_text t) {
  signed char digit[256] = {0};
  for (int i = 0; i < 64; i++) digit[(unsigned char)alphabet[i]] = i;
  char *at = raw(t.size), *to = at;
  for (unsigned i = 0; i + 3 < t.size; i += 4) {
    const unsigned char *q = (const unsigned char *)t.at + i;
    unsigned bits = digit[q[0]] << 18 | digit[q[1]] << 12 | digit[q[2]] << 6 | digit[q[3]];
    *to++ = bits >> 16;
    if (q[2] != '=') *to++ = bits >> 8;
    if (q[3] != '=') *to++ = bits;
  }
  return (crm_text){at, to - at};
}

crm_text crm_base64(crm_text text) {
  if (!text.size) return text;
  crm_text handle = crm_derive((crm_derivation){.base64 = text});
  return handle.size ? handle : encoded(text);
}

crm_text crm_basic(crm_text user, crm_text password) { return crm_base64(CRM_CAT(user, CRM(":"), password)); }

crm_text crm_percent(crm_text text) {
  buffer b = {0};
  for (unsigned i = 0; i < text.size; i++) {
    unsigned char c = text.at[i];
    if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '.' || c == '_' || c == '~') {
      put_byte(&b, c);
    } else {
      put_byte(&b, '%');
      put_byte(&b, "0123456789ABCDEF"[c >> 4]);
      put_byte(&b, "0123456789ABCDEF"[c & 15]);
    }
  }
  return done(&b);
}

static _Bool utf8(crm_text t) {
  for (unsigned i = 0; i < t.size;) {
    unsigned n = rune(t.at + i, t.at + t.size);
    if (!n) return 0;
    i += n;
  }
  return 1;
}

static crm_response lost(void) {
  return (crm_response){.error_kind = CRM("connect"), .error_message = CRM("the server's answer to fetch is not the JSON that was expected")};
}

crm_response crm_fetch(crm_request q) {
  buffer b = {0};
  put_document(&b, &request, &q);
  b.size--;  // the bracket
  if (q.body.size) {
    _Bool text = utf8(q.body);
    put_name(&b, text ? CRM("body") : CRM("bodyBase64"));
    put_string(&b, text ? q.body : encoded(q.body));
  }
  if (q.timeout_ms) {
    put_name(&b, CRM("timeoutMs"));
    put_int(&b, q.timeout_ms);
  }
  put_byte(&b, '}');
  crm_json *answer = crm_parse(received(host_fetch(b.at, b.size)));
  if (!answer) return lost();
  const crm_json *error = crm_get(answer, "error");
  if (error->kind == CRM_OBJECT) {
    return (crm_response){.error_kind = crm_string(crm_get(error, "kind")), .error_message = crm_string(crm_get(error, "message"))};
  }
  crm_response r = {.body = crm_string(crm_get(answer, "body"))};
  const crm_json *bytes = crm_get(answer, "bodyBase64");
  long long status = 0;
  if (!read_int(crm_scalar(crm_get(answer, "status")), &status) || !read_pairs(crm_get(answer, "headers"), &r.headers)) return lost();
  r.status = status;
  if (bytes->kind == CRM_STRING) r.body = decoded(bytes->text);
  return r;
}

static _Bool succeeded(crm_response r) { return r.status >= 200 && r.status < 300; }

crm_response crm_fetch_json(crm_text url, crm_text auth_header, crm_json **value) {
  crm_pairs headers = CRM_PAIRS({CRM("Authorization"), auth_header}, {CRM("Accept"), CRM("application/json")});
  crm_response r = crm_fetch((crm_request){.url = url, .headers = headers});
  *value = succeeded(r) ? crm_parse(r.body) : 0;
  return r;
}

int crm_fail_for(crm_response r) {
  if (!r.status) return crm_fail(r.error_message);
  if (succeeded(r)) return crm_fail(CRM("the CRM's answer is not the JSON that was expected"));
  buffer b = {0};
  put(&b, CRM("Request failed with status code "));
  put_int(&b, r.status);
  return crm_fail_with(done(&b), r.status, (crm_text){0});
}

crm_text crm_config(crm_text name) {
  int size = host_config(name.at, name.size);
  return size > 0 ? received(size) : (crm_text){0};
}

crm_text crm_config_or(crm_text name, crm_text otherwise) {
  crm_text v = crm_config(name);
  return v.size ? v : otherwise;
}

crm_text crm_derive(crm_derivation d) {
  crm_text q = crm_encode(&derivation, &d);
  int size = host_derive(q.at, q.size);
  return size > 0 ? received(size) : (crm_text){0};
}

void crm_log(int level, crm_text line) { host_log(level, line.at, line.size); }

long long crm_now(void) { return host_now(); }

void crm_random(void *at, unsigned size) {
  const unsigned most = 64 << 10;  // the ABI's limit for one call
  for (unsigned i = 0; i < size; i += most) host_random((char *)at + i, size - i < most ? size - i : most);
}
