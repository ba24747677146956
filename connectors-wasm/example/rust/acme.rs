use crmgate::{config, get, Application, AuthType, Json, None, OauthInfoRequest, PlatformUserInfo, Result, ReturnMessage, UserInfo, UserInfoRequest};

crmgate::operations! {
    getAuthType: auth_type,
    getOauthInfo: oauth_info,
    getUserInfo: user_info,
}

fn auth_type(_: None) -> Result<AuthType> {
    Ok(AuthType { kind: "oauth".to_string() })
}

fn oauth_info(_: OauthInfoRequest) -> Result<Application> {
    Ok(Application {
        client_id: config("ACME_CLIENT_ID").unwrap_or_default(),
        client_secret: config("ACME_CLIENT_SECRET").unwrap_or_default(),
        access_token_uri: "https://api.acme.example/oauth/token".to_string(),
        ..Default::default()
    })
}

fn user_info(request: UserInfoRequest) -> Result<UserInfo> {
    let r = get("https://api.acme.example/me", &request.auth_header)?;
    if r.status == 401 {
        return Ok(UserInfo::refused(ReturnMessage::new("warning", "Acme did not accept the sign-in. Connect again.", 5000)));
    }
    let me = r.json()?;
    let id = me["id"].scalar();
    if id.is_empty() {
        return Err("the CRM did not say who the person is".into());
    }
    Ok(UserInfo {
        successful: true,
        platform_user_info: Some(PlatformUserInfo {
            id: format!("{}-acme", id),
            name: me["name"].text().to_string(),
            timezone_name: me["timezone"]["name"].text().to_string(),
            timezone_offset: me["timezone"]["offset"].clone(),
            platform_additional_info: Json::object([("email", me["email"].text().into())]),
            ..Default::default()
        }),
        return_message: Some(ReturnMessage::new("success", "Connected to Acme.", 3000)),
    })
}
