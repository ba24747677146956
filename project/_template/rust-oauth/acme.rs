// The connector of Acme. Each operation is one that crmgate calls. ABI.md of crmgate says what each of them gets and answers. Replace the
// addresses and the members of the answers with those of your CRM.

use crmgate::{config, get, Application, AuthType, None, OauthInfoRequest, PlatformUserInfo, Result, ReturnMessage, UserInfo, UserInfoRequest};

crmgate::operations! {
    getAuthType: auth_type,
    getOauthInfo: oauth_info,
    getUserInfo: user_info,
}

fn base() -> String {
    config("ACME_URL").unwrap_or_else(|| "http://127.0.0.1:8081".to_string())
}

fn auth_type(_: None) -> Result<AuthType> {
    Ok(AuthType { kind: "oauth".to_string() })
}

// The application at the CRM. What is missing here comes from the manifest.
fn oauth_info(_: OauthInfoRequest) -> Result<Application> {
    Ok(Application {
        client_id: config("ACME_CLIENT_ID").unwrap_or_default(),
        client_secret: config("ACME_CLIENT_SECRET").unwrap_or_default(),
        access_token_uri: format!("{}/oauth/token", base()),
        ..Default::default()
    })
}

// Who has signed in?
fn user_info(request: UserInfoRequest) -> Result<UserInfo> {
    let r = get(&format!("{}/api/me", base()), &request.auth_header)?;
    if r.status == 401 {
        return Ok(UserInfo::refused(ReturnMessage::new("warning", "Acme did not accept the sign-in. Connect again.", 0)));
    }
    let me = r.json()?;
    let id = me["id"].scalar();
    if id.is_empty() {
        return Err("Acme did not say who has signed in".into());
    }
    Ok(UserInfo {
        successful: true,
        platform_user_info: Some(PlatformUserInfo { id: format!("{}-acme", id), name: me["name"].text().to_string(), ..Default::default() }),
        ..Default::default()
    })
}
