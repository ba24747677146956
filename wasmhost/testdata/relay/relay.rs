// See relay.c.
use crmgate::{fetch, AuthType, Document, Error, Json, None, Request, Result};

crmgate::operations! {
    getAuthType: auth_type,
    getOauthInfo: get_oauth_info,
    getOverridingOAuthOption: get_overriding_oauth_option,
    getBasicAuth: get_basic_auth,
    getUserInfo: get_user_info,
    authValidation: auth_validation,
    refreshUserInfo: refresh_user_info,
    unAuthorize: un_authorize,
    postSaveUserInfo: post_save_user_info,
    getLicenseStatus: get_license_status,
    checkAndRefreshAccessToken: check_and_refresh_access_token,
    getManagedAuthOptions: get_managed_auth_options,
}

fn auth_type(_: None) -> Result<AuthType> {
    Ok(AuthType { kind: "oauth".to_string() })
}

macro_rules! relays {
    ($($function:ident $operation:literal $request:ident $answer:ident),* $(,)?) => {
        $(fn $function(request: crmgate::$request) -> Result<crmgate::$answer> { relay($operation, request) })*
    };
}

relays! {
    get_oauth_info "getOauthInfo" OauthInfoRequest Application,
    get_overriding_oauth_option "getOverridingOAuthOption" OverridingOptionRequest OverridingOption,
    get_basic_auth "getBasicAuth" BasicAuthRequest BasicAuth,
    get_user_info "getUserInfo" UserInfoRequest UserInfo,
    auth_validation "authValidation" Person Outcome,
    refresh_user_info "refreshUserInfo" Person Outcome,
    un_authorize "unAuthorize" Person Outcome,
    post_save_user_info "postSaveUserInfo" Person Outcome,
    get_license_status "getLicenseStatus" Person Json,
    check_and_refresh_access_token "checkAndRefreshAccessToken" RefreshRequest Refreshed,
    get_managed_auth_options "getManagedAuthOptions" ManagedAuthRequest ManagedAuthOptions,
}

fn relay<Out: Document>(operation: &str, input: impl Document) -> Result<Out> {
    let mut text = String::new();
    input.write(&mut text);
    let mut request = Request::new("POST", &format!("https://relay.example/{}", operation)).header("X-Sdk", "rust").body(text);
    request.timeout_ms = 5000;
    request.redirect = "manual".to_string();
    let r = fetch(&request)?;
    if r.status == 202 {
        return Err(Error::Unsupported);
    }
    let v = Json::parse(&r.body).ok_or("not JSON")?;
    if r.status == 200 {
        return Ok(Out::read(&v)?);
    }
    let status = v["status"].scalar().parse().unwrap_or(0);
    Err(Error::Failed { message: v["message"].text().to_string(), status, code: v["code"].text().to_string() })
}
