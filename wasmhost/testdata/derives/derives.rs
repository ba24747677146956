// See derives.c.
use crmgate::{basic, config, encode_base64, fetch, hmac, log, now, percent_encode, random};
use crmgate::{AuthType, BasicAuth, BasicAuthRequest, Level, None, Outcome, Person, PlatformUserInfo, Request, Result, UserInfo, UserInfoRequest};

crmgate::operations! {
    getAuthType: auth_type,
    getBasicAuth: basic_auth,
    getUserInfo: user_info,
    authValidation: validate,
}

fn auth_type(_: None) -> Result<AuthType> {
    Ok(AuthType { kind: "apiKey".to_string() })
}

fn basic_auth(request: BasicAuthRequest) -> Result<BasicAuth> {
    Ok(BasicAuth { basic: basic("ada", &request.api_key), ..Default::default() })
}

fn user_info(input: UserInfoRequest) -> Result<UserInfo> {
    let signature = hmac(&input.api_key, "GET /me", "hex").unwrap_or_else(|| "none".to_string());
    let mut dice = [0; 8];
    random(&mut dice);
    if dice == [0; 8] || now() < 1700000000000 {
        return Err("there is no time or chance".into());
    }
    let set = |name: &str, otherwise: &str| config(name).unwrap_or_else(|| otherwise.to_string());
    log(Level::Warn, &format!("level {}{}", set("DERIVES_LEVEL", "one"), set("DERIVES_SECRET", " unset")));
    let url = format!("https://crm.example/me?q={}", percent_encode("a b/é"));
    let r = fetch(&Request::new("POST", &url).header("X-Signature", &signature).body([255, 0, 1]))?;
    if !r.ok() {
        return Err(r.error());
    }
    let person = PlatformUserInfo { id: encode_base64(&r.body), name: r.header("x-name").to_string(), ..Default::default() };
    Ok(UserInfo { successful: true, platform_user_info: Some(person), ..Default::default() })
}

fn validate(_: Person) -> Result<Outcome> {
    panic!("on purpose")
}
