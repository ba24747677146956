// crmgate.h is the SDK for connectors in C. A connector has one block for each operation that it implements, with the operation's name:
//
//	CRM_OPERATION(getAuthType) {
//	  out->type = CRM("oauth");
//	  return CRM_OK;
//	}
//
// In the block, in is the request and out the answer, which begins with all members unset. It returns CRM_OK, CRM_UNSUPPORTED (the server
// does the standard thing), or a call of crm_fail. If a required member is missing in the request, or is a flag, a value or a document that
// is unset in the answer, the operation fails with an error that names it.
//
// The types are the documents of ABI.md, member by member. An unset member is one that is missing.
//
// Memory from crm_alloc, which every function here uses, is never freed: the server gives each call the memory that the module had when it
// was loaded. For the same reason variables keep nothing between calls.
#ifndef CRMGATE_H
#define CRMGATE_H

// crm_text is a text in UTF-8, or bytes. It is not terminated. A text without bytes is unset.
typedef struct {
  const char *at;
  unsigned size;
} crm_text;

// CRM makes a text of a string literal.
#define CRM(literal) ((crm_text){(literal), sizeof(literal) - 1})

// CRM_CAT joins texts.
#define CRM_CAT(...) crm_join((const crm_text[]){__VA_ARGS__}, sizeof((const crm_text[]){__VA_ARGS__}) / sizeof(crm_text))

// crm_alloc returns zeroed memory, aligned to 8 bytes. It traps if there is none left.
void *crm_alloc(unsigned size);
crm_text crm_join(const crm_text *texts, unsigned count);
_Bool crm_equal(crm_text a, crm_text b);

// crm_json is a JSON value. A number stays the text that was written.
typedef struct crm_json {
  enum { CRM_NULL, CRM_FALSE, CRM_TRUE, CRM_NUMBER, CRM_STRING, CRM_ARRAY, CRM_OBJECT } kind;
  crm_text text;                         // of a string, decoded, or of a number
  crm_text name;                         // in an object
  struct crm_json *first, *last, *next;  // the members, and the next value beside this one
} crm_json;

// CRM_DEPTH is how deep values may be nested.
#define CRM_DEPTH 64

// crm_parse reads a document. It returns 0 if that is not JSON (RFC 8259), not UTF-8, or nested too deep. The value points into the text.
crm_json *crm_parse(crm_text document);

// crm_get returns the member of an object, and null if there is none. The last member of a name counts.
const crm_json *crm_get(const crm_json *object, const char *name);

// crm_string returns the text of a string, and an unset text for anything else. crm_scalar also takes a number.
crm_text crm_string(const crm_json *value);
crm_text crm_scalar(const crm_json *value);

// These make values. crm_set and crm_add add a value to an object or an array. A value can be in one place only.
crm_json *crm_object(void);
crm_json *crm_array(void);
crm_json *crm_of_text(crm_text text);
crm_json *crm_of_int(long long number);
crm_json *crm_of_bool(_Bool value);
crm_json *crm_set(crm_json *object, const char *name, crm_json *value);
crm_json *crm_add(crm_json *array, crm_json *value);

// crm_write writes a value. Bytes that are not UTF-8 become U+FFFD.
crm_text crm_write(const crm_json *value);

// crm_flag is a boolean that can be unset.
typedef enum { CRM_UNSET, CRM_NO, CRM_YES } crm_flag;

// crm_pairs are the members of an object of strings.
typedef struct {
  crm_text name, value;
} crm_pair;

typedef struct {
  crm_pair *at;
  unsigned count;
} crm_pairs;

// CRM_PAIRS lists pairs: CRM_PAIRS({CRM("X-Api-Version"), CRM("2")}).
#define CRM_PAIRS(...) crm_pairs_of((const crm_pair[]){__VA_ARGS__}, sizeof((const crm_pair[]){__VA_ARGS__}) / sizeof(crm_pair))
crm_pairs crm_pairs_of(const crm_pair *pairs, unsigned count);

// crm_pair_of returns the value of a name, unset if there is none.
crm_text crm_pair_of(crm_pairs pairs, crm_text name);

typedef struct {
  char unused;
} crm_none;

typedef struct {
  crm_text type;  // "oauth" or "apiKey", as the manifest says
} crm_auth_type;

typedef struct {
  crm_text hostname, token_url, rc_account_id, user_email, username;
} crm_oauth_info_request;

// crm_oauth_info is getOauthInfo's answer, and the oauth_info of other requests.
typedef struct {
  crm_text client_id, client_secret, access_token_uri, authorization_uri, redirect_uri;
  crm_text scopes;  // separated by blanks
  crm_text hostname, revocation_uri;
  crm_text token_auth;                  // "basic", "basicRaw", "body" or "none"
  crm_text token_endpoint_auth_method;  // the same in the words of RFC 7591
  crm_text fail_message;                // ends the sign-in with this text for the person
} crm_oauth_info;

typedef struct {
  crm_text code, state;
  crm_oauth_info *oauth_info;
} crm_oauth_option_request;

// crm_oauth_option has what is added to the token request. A header with an empty value is removed.
typedef struct {
  crm_pairs headers, query, body;
} crm_oauth_option;

typedef struct {
  crm_text api_key;
} crm_basic_auth_request;

typedef struct {
  crm_text basic;   // the credentials after "Basic ", or:
  crm_text header;  // the whole value of Authorization
} crm_basic_auth;

typedef struct {
  crm_text auth_header, hostname, platform;
  crm_pairs query;
  crm_text callback_uri, token_url, api_url, username;
  const crm_json *data;  // the token answer without the tokens
  crm_text api_key;
  const crm_json *additional_info;  // the values of the form
} crm_user_info_request;

typedef struct {
  crm_text id, type, text;  // type is "text"
} crm_detail_item;

typedef struct {
  crm_text title;
  struct {
    crm_detail_item *at;
    unsigned count;
  } items;
} crm_detail;

// crm_return_message is the toast that the client shows.
typedef struct {
  crm_text message;
  crm_text message_type;  // "success", "warning", "danger" or "error"
  long long ttl;          // milliseconds
  struct {
    crm_detail *at;
    unsigned count;
  } details;
} crm_return_message;

// crm_message makes a message without details.
crm_return_message *crm_message(crm_text type, crm_text text, unsigned ttl);

typedef struct {
  crm_text id, name, timezone_name;
  const crm_json *timezone_offset;  // a number or a string
  const crm_json *platform_additional_info;
  crm_text overriding_hostname, overriding_api_key;
} crm_platform_user_info;

typedef struct {
  crm_flag successful;
  crm_platform_user_info *platform_user_info;  // required if successful
  crm_return_message *return_message;
} crm_user_info;

// crm_user is a signed-in person.
typedef struct {
  crm_text id, platform, hostname, rc_account_id, timezone_name;
  const crm_json *timezone_offset;
  crm_text token_expiry;  // RFC 3339
  const crm_json *platform_additional_info;
} crm_user;

// crm_user_request is the request of the operations on a signed-in person.
typedef struct {
  crm_user *user;
  crm_text auth_header, refresh_token;
} crm_user_request;

// crm_user_change has members that are merged over the stored ones.
typedef struct {
  const crm_json *platform_additional_info;
} crm_user_change;

typedef struct {
  crm_flag successful;  // required in authValidation and refreshUserInfo
  crm_return_message *return_message;
  crm_user_change *user;
} crm_outcome;

// crm_license_status is getLicenseStatus's answer: any object, which the client gets unchanged. crm_license makes the usual one.
typedef struct {
  const crm_json *object;
} crm_license_status;

crm_json *crm_license(_Bool valid, crm_text status, crm_text description);

typedef struct {
  crm_user *user;
  crm_text auth_header;
  crm_oauth_info *oauth_info;
  crm_text refresh_token;
} crm_refresh_request;

typedef struct {
  crm_text access_token, refresh_token;  // without a refresh token the old one is kept
  long long expires_in;                  // seconds; 0 if the lifetime is unknown
  crm_user_change *user;
} crm_refreshed;

typedef struct {
  crm_text field_const;
  crm_pairs account_values;
} crm_managed_auth_request;

typedef struct {
  crm_text value, label;
} crm_managed_auth_option;

typedef struct {
  struct {
    crm_managed_auth_option *at;
    unsigned count;
  } options;
} crm_managed_auth_options;

// CRM_OPERATION begins an operation.
#define CRM_OPERATION(name)                                                                                     \
  static int crm_do_##name(const crm_##name##_in *in, crm_##name##_out *out);                                   \
  __attribute__((export_name(#name))) int crm_export_##name(void) {                                             \
    crm_##name##_in in = {0};                                                                                   \
    crm_##name##_out out = {0};                                                                                 \
    if (!crm_read_input(crm_##name##_reads, &in)) return CRM_FAILED;                                           \
    return crm_end(crm_do_##name(&in, &out), crm_##name##_writes, &out);                                       \
  }                                                                                                             \
  static int crm_do_##name(__attribute__((unused)) const crm_##name##_in *in, __attribute__((unused)) crm_##name##_out *out)

// The results of an operation. CRM_FAILED is what crm_fail returns.
enum { CRM_OK, CRM_FAILED, CRM_UNSUPPORTED };

// crm_fail ends an operation with an error: return crm_fail(CRM("…")). The person may see the message, so it must not contain a secret.
int crm_fail(crm_text message);

// crm_fail_with adds the CRM's HTTP status and OAuth error code. 0 and an unset code are left out. In checkAndRefreshAccessToken the code
// decides: after invalid_grant the person must sign in again, invalid_client and unauthorized_client pause the application, and after any
// other the server tries again later.
int crm_fail_with(crm_text message, int status, crm_text code);

typedef struct {
  crm_text method;  // GET if unset
  crm_text url;     // absolute, on a host that the manifest allows
  crm_pairs headers;
  crm_text body;
  unsigned timeout_ms;  // can only shorten the rest of the call's time
  crm_text redirect;    // "manual" makes a redirect the answer
} crm_request;

typedef struct {
  int status;         // 0 if there was no answer. Then the last two members say why
  crm_pairs headers;  // names in lower case
  crm_text body;
  crm_text error_kind;  // "request", "refused", "timeout", "connect" or "size"
  crm_text error_message;
} crm_response;

// crm_fetch sends an HTTP request. An answer with any status is an answer.
crm_response crm_fetch(crm_request request);

// crm_fetch_json fetches JSON with GET and the header Authorization. *value is 0 unless the status is 2xx and the body is JSON.
crm_response crm_fetch_json(crm_text url, crm_text auth_header, crm_json **value);

// crm_fail_for ends an operation because of an answer: there is none, its status is not 2xx, or its body is not what was expected.
int crm_fail_for(crm_response response);

// crm_config returns a configuration value, unset if the manifest does not declare it, the operator has not set it, or it is empty.
crm_text crm_config(crm_text name);
crm_text crm_config_or(crm_text name, crm_text otherwise);

// crm_derivation is a request of crm_derive: base64 alone, or the other members. Texts may have handles.
typedef struct {
  crm_text base64;
  crm_text hmac, key, message, encoding;  // "sha256", …, "hex" or "base64"
} crm_derivation;

// crm_derive has the server compute a value from handles, and returns the handle of the value: unset if the request has no handle.
crm_text crm_derive(crm_derivation derivation);

// crm_base64 returns the base64 of a text, as a handle if the text has one. crm_basic does so for "user:password", for getBasicAuth.
crm_text crm_base64(crm_text text);
crm_text crm_basic(crm_text user, crm_text password);

// crm_percent encodes a text for a query or a form.
crm_text crm_percent(crm_text text);

enum { CRM_DEBUG, CRM_INFO, CRM_WARN, CRM_ERROR };

// crm_log writes a line to the server's log. It must not contain a secret.
void crm_log(int level, crm_text line);

// crm_now returns Unix time in milliseconds.
long long crm_now(void);

// crm_random writes random bytes that are fit for keys.
void crm_random(void *at, unsigned size);

// The rest is for CRM_OPERATION.

typedef struct crm_document crm_document;

_Bool crm_read_input(const crm_document *document, void *into);
int crm_end(int result, const crm_document *document, const void *answer);

// crm_read and crm_encode read and write one document of this file. crm_read returns 0 and fails the operation if a member is missing or of
// another type.
_Bool crm_read(const crm_document *document, const crm_json *from, void *into);
crm_text crm_encode(const crm_document *document, const void *from);

#define CRM_DOCUMENTS(operation, request, answer)   \
  typedef request crm_##operation##_in;             \
  typedef answer crm_##operation##_out;             \
  extern const crm_document *const crm_##operation##_reads, *const crm_##operation##_writes;

CRM_DOCUMENTS(getAuthType, crm_none, crm_auth_type)
CRM_DOCUMENTS(getOauthInfo, crm_oauth_info_request, crm_oauth_info)
CRM_DOCUMENTS(getOverridingOAuthOption, crm_oauth_option_request, crm_oauth_option)
CRM_DOCUMENTS(getBasicAuth, crm_basic_auth_request, crm_basic_auth)
CRM_DOCUMENTS(getUserInfo, crm_user_info_request, crm_user_info)
CRM_DOCUMENTS(authValidation, crm_user_request, crm_outcome)
CRM_DOCUMENTS(refreshUserInfo, crm_user_request, crm_outcome)
CRM_DOCUMENTS(unAuthorize, crm_user_request, crm_outcome)
CRM_DOCUMENTS(postSaveUserInfo, crm_user_request, crm_outcome)
CRM_DOCUMENTS(getLicenseStatus, crm_user_request, crm_license_status)
CRM_DOCUMENTS(checkAndRefreshAccessToken, crm_refresh_request, crm_refreshed)
CRM_DOCUMENTS(getManagedAuthOptions, crm_managed_auth_request, crm_managed_auth_options)

#endif
