// See fails.c.
import {
  answer, config, fail, get, log, now, random, unsupported, Application, AuthType, Json, Level, LicenseStatus, None, OauthInfoRequest, Outcome, Person,
  UserInfo, UserInfoRequest,
} from "@crmgate/assemblyscript";

function see(): string { return "at " + now().toString() + " " + Uint8Array.wrap(random(8)).join(" "); }

function parse_name(answer: Json | null): void {
  if (!answer || answer.get("name").text == "") unreachable();
}

export function getAuthType(): i32 { return answer<None, AuthType>(() => new AuthType("oauth")); }
export function getOauthInfo(): i32 { return answer<OauthInfoRequest, Application>(() => unsupported<Application>()); }
export function getUserInfo(): i32 { return answer<UserInfoRequest, UserInfo>(() => unsupported<UserInfo>()); }

export function authValidation(): i32 {
  return answer<Person, Outcome>(person => {
    log(Level.Info, config("FAILS_SECRET"));
    const r = get("https://fails.example/me", person.authHeader);
    log(Level.Info, see());
    parse_name(r.json);
    return new Outcome();
  });
}

export function getLicenseStatus(): i32 { return answer<Person, LicenseStatus>(() => fail<LicenseStatus>(see())); }

export function refreshUserInfo(): i32 {
  let n = 0;
  while (n >= 0) n = (n + 1) & 0xffff;
  return n;
}
