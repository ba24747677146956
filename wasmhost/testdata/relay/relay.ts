// See relay.c.
import {
  answer, fail, failFor, fetch, unsupported, Application, AuthType, BasicAuth, BasicAuthRequest, Document, LicenseStatus, ManagedAuthOptions,
  ManagedAuthRequest, None, OauthInfoRequest, Outcome, OverridingOption, OverridingOptionRequest, Person, Refreshed, RefreshRequest, Request, UserInfo,
  UserInfoRequest, Writer,
} from "@crmgate/assemblyscript";

function relay<Out extends Document>(operation: string, input: Document): Out | null {
  const request = new Request("https://relay.example/" + operation, "POST").header("X-Sdk", "assemblyscript"), to = new Writer();
  input.write(to);
  request.body = String.UTF8.decode(to.done());
  request.timeoutMs = 5000;
  request.redirect = "manual";
  const r = fetch(request);
  if (r.status == 202) return unsupported<Out>();
  const v = r.json;
  if (!v) return failFor<Out>(r);
  if (r.status != 200) return fail<Out>(v.get("message").text, I32.parseInt("0" + v.get("status").scalar), v.get("code").text);
  const out = instantiate<Out>(), problem = out.read(v);
  return problem == "" ? out : fail<Out>(problem);
}

export function getAuthType(): i32 { return answer<None, AuthType>(() => new AuthType("oauth")); }
export function getOauthInfo(): i32 { return answer<OauthInfoRequest, Application>(r => relay<Application>("getOauthInfo", r)); }
export function getOverridingOAuthOption(): i32 {
  return answer<OverridingOptionRequest, OverridingOption>(r => relay<OverridingOption>("getOverridingOAuthOption", r));
}
export function getBasicAuth(): i32 { return answer<BasicAuthRequest, BasicAuth>(r => relay<BasicAuth>("getBasicAuth", r)); }
export function getUserInfo(): i32 { return answer<UserInfoRequest, UserInfo>(r => relay<UserInfo>("getUserInfo", r)); }
export function authValidation(): i32 { return answer<Person, Outcome>(r => relay<Outcome>("authValidation", r)); }
export function refreshUserInfo(): i32 { return answer<Person, Outcome>(r => relay<Outcome>("refreshUserInfo", r)); }
export function unAuthorize(): i32 { return answer<Person, Outcome>(r => relay<Outcome>("unAuthorize", r)); }
export function postSaveUserInfo(): i32 { return answer<Person, Outcome>(r => relay<Outcome>("postSaveUserInfo", r)); }
export function getLicenseStatus(): i32 { return answer<Person, LicenseStatus>(r => relay<LicenseStatus>("getLicenseStatus", r)); }
export function checkAndRefreshAccessToken(): i32 {
  return answer<RefreshRequest, Refreshed>(r => relay<Refreshed>("checkAndRefreshAccessToken", r));
}
export function getManagedAuthOptions(): i32 {
  return answer<ManagedAuthRequest, ManagedAuthOptions>(r => relay<ManagedAuthOptions>("getManagedAuthOptions", r));
}
