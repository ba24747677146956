// See fails.c. The panic of authValidation is a trap.
use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[link(wasm_import_module = "crmgate_v1")]
extern "C" {
    fn input(p: *mut u8, n: usize) -> usize;
    fn output(p: *const u8, n: usize);
    fn fetch(p: *const u8, n: usize) -> usize;
    fn config(p: *const u8, n: usize) -> i32;
    fn take(p: *mut u8, n: usize) -> usize;
    fn log(level: i32, p: *const u8, n: usize);
    fn random(p: *mut u8, n: usize);
}

fn reply(doc: &str, result: i32) -> i32 {
    unsafe { output(doc.as_ptr(), doc.len()) };
    result
}

fn taken(n: usize) -> String {
    let mut b = vec![0; n];
    unsafe { take(b.as_mut_ptr(), n) };
    String::from_utf8(b).unwrap()
}

fn say(s: &str) {
    unsafe { log(1, s.as_ptr(), s.len()) }
}

fn see() -> String {
    let mut dice = [0u8; 8];
    unsafe { random(dice.as_mut_ptr(), 8) };
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(3));
    let set: HashSet<i32> = (0..50).collect(); // its order is random
    let first = set.iter().next().unwrap();
    format!("at {} after {} {:?} {}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos(), before.elapsed().as_nanos(), dice, first)
}

#[inline(never)]
fn parse_name(answer: &str) -> i32 {
    answer.find("\\\"name\\\":").expect("no name") as i32
}

#[export_name = "getAuthType"]
pub extern "C" fn get_auth_type() -> i32 {
    reply(r#"{"type":"oauth"}"#, 0)
}

#[export_name = "getOauthInfo"]
pub extern "C" fn get_oauth_info() -> i32 {
    2
}

#[export_name = "getUserInfo"]
pub extern "C" fn get_user_info() -> i32 {
    2
}

#[export_name = "authValidation"]
pub extern "C" fn auth_validation() -> i32 {
    let name = "FAILS_SECRET";
    let n = unsafe { config(name.as_ptr(), name.len()) };
    say(&taken(n.max(0) as usize));
    let mut doc = vec![0; unsafe { input(std::ptr::null_mut(), 0) }];
    unsafe { input(doc.as_mut_ptr(), doc.len()) };
    let doc = String::from_utf8(doc).unwrap();
    let header = doc.split("\"authHeader\":\"").nth(1).unwrap().split('"').next().unwrap();
    let request = format!(r#"{{"method":"GET","url":"https://fails.example/me","headers":{{"Authorization":"{}"}}}}"#, header);
    let answer = taken(unsafe { fetch(request.as_ptr(), request.len()) });
    say(&see());
    parse_name(&answer)
}

#[export_name = "getLicenseStatus"]
pub extern "C" fn get_license_status() -> i32 {
    reply(&format!(r#"{{"message":"{}"}}"#, see()), 1)
}

#[export_name = "refreshUserInfo"]
pub extern "C" fn refresh_user_info() -> i32 {
    let mut n = 0u32;
    loop {
        unsafe { std::ptr::write_volatile(&mut n, 1) }
    }
}
