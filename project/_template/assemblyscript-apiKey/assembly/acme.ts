// The connector of Acme. Each exported function is an operation that crmgate calls. ABI.md of crmgate says what each of them gets and
// answers. Replace the addresses and the members of the answers with those of your CRM.

import {
  answer, basic, config, fail, failFor, get, AuthType, BasicAuth, BasicAuthRequest, None, PlatformUserInfo, ReturnMessage, UserInfo, UserInfoRequest,
} from "@crmgate/assemblyscript";

function base(): string { return config("ACME_URL", "http://127.0.0.1:8081"); }

export function getAuthType(): i32 {
  return answer<None, AuthType>(() => new AuthType("apiKey"));
}

// How the key is sent: here as the user name of Basic, without a password. authHeader is what this makes of it.
export function getBasicAuth(): i32 {
  return answer<BasicAuthRequest, BasicAuth>(request => {
    const credential = new BasicAuth();
    credential.basic = basic(request.apiKey, "");
    return credential;
  });
}

// Who has signed in?
export function getUserInfo(): i32 {
  return answer<UserInfoRequest, UserInfo>(request => {
    const r = get(base() + "/api/me", request.authHeader);
    if (r.status == 401) return UserInfo.refused(new ReturnMessage("warning", "Acme did not accept the API key. Check it, and try again."));
    const me = r.ok ? r.json : null;
    if (!me) return failFor<UserInfo>(r);
    const id = me.get("id").scalar;
    if (id == "") return fail<UserInfo>("Acme did not say who has signed in");
    return UserInfo.of(new PlatformUserInfo(id + "-acme", me.get("name").text));
  });
}
