// See derives.c.
import {
  answer, basic, config, encodeBase64, fail, failFor, fetch, hmac, log, now, random, AuthType, BasicAuth, BasicAuthRequest, Level, None, Outcome, Person,
  PlatformUserInfo, Request, UserInfo, UserInfoRequest,
} from "@crmgate/assemblyscript";

export function getAuthType(): i32 { return answer<None, AuthType>(() => new AuthType("apiKey")); }

export function getBasicAuth(): i32 {
  return answer<BasicAuthRequest, BasicAuth>(request => {
    const b = new BasicAuth();
    b.basic = basic("ada", request.apiKey);
    return b;
  });
}

export function getUserInfo(): i32 {
  return answer<UserInfoRequest, UserInfo>(input => {
    const signature = hmac(input.apiKey, "GET /me", "hex"), bytes = new Uint8Array(3);
    if (load<i64>(changetype<usize>(random(8))) == 0 || now() < 1700000000000) return fail<UserInfo>("there is no time or chance");
    log(Level.Warn, "level " + config("DERIVES_LEVEL", "one") + config("DERIVES_SECRET", " unset"));
    bytes[0] = 255;
    bytes[2] = 1;
    const request = new Request("https://crm.example/me?q=" + encodeURIComponent("a b/é"), "POST")
      .header("X-Signature", signature == "" ? "none" : signature);
    request.bytes = bytes.buffer;
    const r = fetch(request);
    if (r.status != 200) return failFor<UserInfo>(r);
    return UserInfo.of(new PlatformUserInfo(encodeBase64(r.body), r.header("x-name")));
  });
}

export function authValidation(): i32 {
  return answer<Person, Outcome>(() => { throw new Error("on purpose"); });
}
