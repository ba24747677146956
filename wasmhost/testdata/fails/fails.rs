// See fails.c. The panic of authValidation is a trap.
use crmgate::{get, log, Application, AuthType, Error, Json, Level, None, OauthInfoRequest, Outcome, Person, Result, UserInfo, UserInfoRequest};
use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

crmgate::operations! {
    getAuthType: auth_type,
    getOauthInfo: oauth_info,
    getUserInfo: user_info,
    authValidation: validate,
    getLicenseStatus: license,
    refreshUserInfo: refresh,
}

fn see() -> String {
    let mut dice = [0; 8];
    crmgate::random(&mut dice);
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(3));
    let set: HashSet<i32> = (0..50).collect(); // its order is random
    let first = set.iter().next().unwrap();
    format!("at {} after {} {:?} {}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos(), before.elapsed().as_nanos(), dice, first)
}

#[inline(never)]
fn parse_name(answer: &str) -> usize {
    answer.find("\"name\":").expect("no name")
}

fn auth_type(_: None) -> Result<AuthType> {
    Ok(AuthType { kind: "oauth".to_string() })
}

fn oauth_info(_: OauthInfoRequest) -> Result<Application> {
    Err(Error::Unsupported)
}

fn user_info(_: UserInfoRequest) -> Result<UserInfo> {
    Err(Error::Unsupported)
}

fn validate(person: Person) -> Result<Outcome> {
    log(Level::Info, &crmgate::config("FAILS_SECRET").unwrap());
    let answer = get("https://fails.example/me", &person.auth_header)?;
    log(Level::Info, &see());
    parse_name(std::str::from_utf8(&answer.body).unwrap());
    Ok(Outcome { successful: true, ..Default::default() })
}

fn license(_: Person) -> Result<Json> {
    Err(see().into())
}

fn refresh(_: Person) -> Result<Outcome> {
    let mut n = 0u32;
    loop {
        unsafe { std::ptr::write_volatile(&mut n, 1) }
    }
}
