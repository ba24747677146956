//! The documents of ABI.md, member by member. An optional member is empty if it is missing: "", 0, null or None.

use crate::json::{between, write_name, write_string, Json};

/// The request or the answer of an operation, or a part of one.
pub trait Document: Default {
    /// Reads a JSON value. The error says what is wrong with it.
    fn read(from: &Json) -> std::result::Result<Self, String>;
    /// Writes the document.
    fn write(&self, to: &mut String);
}

/// Any object can be a document.
impl Document for Json {
    fn read(from: &Json) -> std::result::Result<Json, String> {
        object(from)?;
        Ok(from.clone())
    }

    fn write(&self, to: &mut String) {
        Json::write(self, to)
    }
}

fn object(from: &Json) -> std::result::Result<(), String> {
    match from {
        Json::Object(_) => Ok(()),
        _ => Err("the document has no object where one is expected".to_string()),
    }
}

/// A type that a member of a document can have.
pub(crate) trait Member: Default {
    fn read(name: &str, from: &Json) -> std::result::Result<Self, String>;
    fn write(&self, to: &mut String);
    fn is_empty(&self) -> bool;
    /// The value of an optional member that is missing.
    fn missing() -> Self {
        Self::default()
    }
}

fn wrong<T>(name: &str) -> std::result::Result<T, String> {
    Err(format!("a member of the document has another type than expected: {}", name))
}

impl Member for String {
    fn read(name: &str, from: &Json) -> std::result::Result<String, String> {
        match from {
            Json::String(text) => Ok(text.clone()),
            // ABI.md allows a list of scopes.
            Json::Array(words) if name == "scopes" => {
                Ok(words.iter().map(|word| String::read(name, word)).collect::<std::result::Result<Vec<_>, _>>()?.join(" "))
            }
            _ => wrong(name),
        }
    }

    fn write(&self, to: &mut String) {
        write_string(to, self)
    }

    fn is_empty(&self) -> bool {
        String::is_empty(self)
    }
}

impl Member for bool {
    fn read(name: &str, from: &Json) -> std::result::Result<bool, String> {
        match from {
            Json::Bool(value) => Ok(*value),
            _ => wrong(name),
        }
    }

    fn write(&self, to: &mut String) {
        to.push_str(if *self { "true" } else { "false" })
    }

    fn is_empty(&self) -> bool {
        false
    }

    /// The only one is `successful`.
    fn missing() -> bool {
        true
    }
}

impl Member for i64 {
    fn read(name: &str, from: &Json) -> std::result::Result<i64, String> {
        from.scalar().parse().or_else(|_| wrong(name))
    }

    fn write(&self, to: &mut String) {
        to.push_str(&self.to_string())
    }

    fn is_empty(&self) -> bool {
        *self == 0
    }
}

impl Member for Json {
    fn read(_: &str, from: &Json) -> std::result::Result<Json, String> {
        Ok(from.clone())
    }

    fn write(&self, to: &mut String) {
        Json::write(self, to)
    }

    fn is_empty(&self) -> bool {
        self.is_null()
    }
}

/// An object of strings.
pub type Texts = Vec<(String, String)>;

impl Member for Texts {
    fn read(name: &str, from: &Json) -> std::result::Result<Texts, String> {
        match from {
            Json::Object(members) => members.iter().map(|(n, value)| Ok((n.clone(), String::read(name, value)?))).collect(),
            _ => wrong(name),
        }
    }

    fn write(&self, to: &mut String) {
        to.push('{');
        for (name, value) in self {
            write_name(to, name);
            write_string(to, value);
        }
        to.push('}');
    }

    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }
}

impl<T: Record> Member for T {
    fn read(_: &str, from: &Json) -> std::result::Result<T, String> {
        Document::read(from)
    }

    fn write(&self, to: &mut String) {
        Document::write(self, to)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<T: Record> Member for Option<T> {
    fn read(_: &str, from: &Json) -> std::result::Result<Option<T>, String> {
        Ok(Some(Document::read(from)?))
    }

    fn write(&self, to: &mut String) {
        if let Some(value) = self {
            Document::write(value, to)
        }
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T: Record> Member for Vec<T> {
    fn read(name: &str, from: &Json) -> std::result::Result<Vec<T>, String> {
        match from {
            Json::Array(values) => values.iter().map(|value| Document::read(value)).collect(),
            _ => wrong(name),
        }
    }

    fn write(&self, to: &mut String) {
        to.push('[');
        for value in self {
            between(to);
            Document::write(value, to);
        }
        to.push(']');
    }

    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }
}

/// Marks the documents of this file.
trait Record: Document {}

/// Defines a document: `member: type = "its name"`, with `required` if it is.
macro_rules! document {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $member:ident: $type:ty = $json:literal $($required:ident)?),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub struct $name { $($(#[$note])* pub $member: $type),* }

        impl Record for $name {}

        impl Document for $name {
            fn read(from: &Json) -> std::result::Result<$name, String> {
                object(from)?;
                Ok($name { $($member: member(from, $json, false $(|| stringify!($required) == "required")?)?),* })
            }

            #[allow(unused_variables)] // None has no members
            fn write(&self, to: &mut String) {
                to.push('{');
                $(
                    if !Member::is_empty(&self.$member) $(|| stringify!($required) == "required")? {
                        write_name(to, $json);
                        Member::write(&self.$member, to);
                    }
                )*
                to.push('}');
            }
        }
    };
}

fn member<T: Member>(from: &Json, name: &str, required: bool) -> std::result::Result<T, String> {
    match from.get(name) {
        Json::Null if required => Err(format!("the document lacks a member: {}", name)),
        Json::Null => Ok(T::missing()),
        value => T::read(name, value),
    }
}

document! {
    /// The request of getAuthType.
    None {}
}

document! {
    /// getAuthType's answer.
    AuthType {
        /// "oauth" or "apiKey", as the manifest says.
        kind: String = "type" required,
    }
}

document! {
    OauthInfoRequest {
        hostname: String = "hostname",
        token_url: String = "tokenUrl",
        rc_account_id: String = "rcAccountId",
        user_email: String = "userEmail",
        username: String = "username",
    }
}

document! {
    /// getOauthInfo's answer, and the oauth_info of other requests.
    Application {
        client_id: String = "clientId",
        client_secret: String = "clientSecret",
        access_token_uri: String = "accessTokenUri",
        authorization_uri: String = "authorizationUri",
        redirect_uri: String = "redirectUri",
        /// Separated by blanks.
        scopes: String = "scopes",
        hostname: String = "hostname",
        revocation_uri: String = "revocationUri",
        /// "basic", "basicRaw", "body" or "none".
        token_auth: String = "tokenAuth",
        /// The same in the words of RFC 7591.
        token_endpoint_auth_method: String = "tokenEndpointAuthMethod",
        /// Ends the sign-in with this text for the person.
        fail_message: String = "failMessage",
    }
}

document! {
    OverridingOptionRequest {
        code: String = "code" required,
        /// The state with which the CRM sent the browser back.
        state: String = "state",
        oauth_info: Application = "oauthInfo" required,
    }
}

document! {
    /// What is added to the token request. A header with an empty value is removed.
    OverridingOption {
        headers: Texts = "headers",
        query: Texts = "query",
        body: Texts = "body",
    }
}

document! {
    BasicAuthRequest {
        api_key: String = "apiKey" required,
    }
}

document! {
    BasicAuth {
        /// The credentials after "Basic ", or:
        basic: String = "basic",
        /// the whole value of the header Authorization.
        header: String = "header",
    }
}

document! {
    UserInfoRequest {
        auth_header: String = "authHeader" required,
        hostname: String = "hostname" required,
        platform: String = "platform" required,
        query: Texts = "query",
        callback_uri: String = "callbackUri",
        token_url: String = "tokenUrl",
        api_url: String = "apiUrl",
        username: String = "username",
        /// The answer of the token endpoint, without tokens.
        data: Json = "data",
        api_key: String = "apiKey",
        /// The values of the form.
        additional_info: Json = "additionalInfo",
    }
}

document! {
    PlatformUserInfo {
        id: String = "id" required,
        name: String = "name" required,
        timezone_name: String = "timezoneName",
        /// A number or a string.
        timezone_offset: Json = "timezoneOffset",
        platform_additional_info: Json = "platformAdditionalInfo",
        overriding_hostname: String = "overridingHostname",
        overriding_api_key: String = "overridingApiKey",
    }
}

document! {
    /// The toast that the client shows.
    ReturnMessage {
        message: String = "message" required,
        /// "success", "warning", "danger" or "error".
        message_type: String = "messageType",
        /// Milliseconds.
        ttl: i64 = "ttl",
        details: Vec<Detail> = "details",
    }
}

impl ReturnMessage {
    /// Makes a message without details.
    pub fn new(message_type: &str, message: &str, ttl: i64) -> ReturnMessage {
        ReturnMessage { message: message.to_string(), message_type: message_type.to_string(), ttl, details: Vec::new() }
    }
}

document! {
    Detail {
        title: String = "title" required,
        items: Vec<DetailItem> = "items" required,
    }
}

document! {
    DetailItem {
        id: String = "id" required,
        /// "text".
        kind: String = "type" required,
        text: String = "text" required,
    }
}

document! {
    /// getUserInfo's answer.
    UserInfo {
        successful: bool = "successful" required,
        /// Required if successful.
        platform_user_info: Option<PlatformUserInfo> = "platformUserInfo",
        return_message: Option<ReturnMessage> = "returnMessage",
    }
}

impl UserInfo {
    /// The answer if the CRM does not accept the credential.
    pub fn refused(message: ReturnMessage) -> UserInfo {
        UserInfo { return_message: Some(message), ..Default::default() }
    }
}

document! {
    /// A signed-in person.
    User {
        id: String = "id" required,
        platform: String = "platform" required,
        hostname: String = "hostname" required,
        rc_account_id: String = "rcAccountId",
        timezone_name: String = "timezoneName",
        timezone_offset: Json = "timezoneOffset",
        /// RFC 3339.
        token_expiry: String = "tokenExpiry",
        platform_additional_info: Json = "platformAdditionalInfo",
    }
}

document! {
    /// The request of the operations on a signed-in person.
    Person {
        user: User = "user" required,
        auth_header: String = "authHeader" required,
        refresh_token: String = "refreshToken",
    }
}

document! {
    /// Members that are merged over the stored ones.
    UserChange {
        platform_additional_info: Json = "platformAdditionalInfo" required,
    }
}

document! {
    /// The answer of authValidation, refreshUserInfo, unAuthorize and postSaveUserInfo.
    Outcome {
        successful: bool = "successful",
        return_message: Option<ReturnMessage> = "returnMessage",
        user: Option<UserChange> = "user",
    }
}

/// Makes the usual answer of getLicenseStatus. Any other object reaches the client unchanged, too.
pub fn license_status(valid: bool, status: &str, description: &str) -> Json {
    Json::object([("isLicenseValid", valid.into()), ("licenseStatus", status.into()), ("licenseStatusDescription", description.into())])
}

document! {
    RefreshRequest {
        user: User = "user" required,
        auth_header: String = "authHeader" required,
        oauth_info: Application = "oauthInfo" required,
        refresh_token: String = "refreshToken",
    }
}

document! {
    /// checkAndRefreshAccessToken's answer.
    Refreshed {
        access_token: String = "accessToken" required,
        /// Without it the old one is kept.
        refresh_token: String = "refreshToken",
        /// Seconds; 0 if the lifetime is unknown.
        expires_in: i64 = "expiresIn",
        user: Option<UserChange> = "user",
    }
}

document! {
    ManagedAuthRequest {
        field_const: String = "fieldConst" required,
        account_values: Texts = "accountValues" required,
    }
}

document! {
    ManagedAuthOptions {
        options: Vec<ManagedAuthOption> = "options" required,
    }
}

document! {
    ManagedAuthOption {
        value: String = "value" required,
        label: String = "label" required,
    }
}
