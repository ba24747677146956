import {
  answer, config, fail, failFor, get, Application, AuthType, Json, None, OauthInfoRequest, PlatformUserInfo, ReturnMessage, UserInfo, UserInfoRequest,
} from "@crmgate/assemblyscript";

export function getAuthType(): i32 {
  return answer<None, AuthType>(() => new AuthType("oauth"));
}

export function getOauthInfo(): i32 {
  return answer<OauthInfoRequest, Application>(() => {
    const application = new Application();
    application.clientId = config("ACME_CLIENT_ID");
    application.clientSecret = config("ACME_CLIENT_SECRET");
    application.accessTokenUri = "https://api.acme.example/oauth/token";
    return application;
  });
}

export function getUserInfo(): i32 {
  return answer<UserInfoRequest, UserInfo>(request => {
    const r = get("https://api.acme.example/me", request.authHeader);
    if (r.status == 401) return UserInfo.refused(new ReturnMessage("warning", "Acme did not accept the sign-in. Connect again.", 5000));
    const me = r.ok ? r.json : null;
    if (!me) return failFor<UserInfo>(r);
    const id = me.get("id").scalar;
    if (id == "") return fail<UserInfo>("the CRM did not say who the person is");
    const person = new PlatformUserInfo(id + "-acme", me.get("name").text);
    person.timezoneName = me.get("timezone").get("name").text;
    person.timezoneOffset = me.get("timezone").get("offset");
    person.platformAdditionalInfo = Json.object().set("email", Json.string(me.get("email").text));
    return UserInfo.of(person, new ReturnMessage("success", "Connected to Acme.", 3000));
  });
}
