//! The SDK for connectors in Rust. A connector names its operations, and has a function for each:
//!
//! ```ignore
//! crmgate::operations! { getBasicAuth: basic_auth }
//!
//! fn basic_auth(request: BasicAuthRequest) -> Result<BasicAuth> {
//!     Ok(BasicAuth { basic: crmgate::basic(&request.api_key, ""), ..Default::default() })
//! }
//! ```
//!
//! The types are the documents of ABI.md, member by member. Memory is never freed: the server gives each call the memory that the module
//! had when it was loaded. For the same reason variables keep nothing between calls.

mod documents;
mod host;
mod json;
#[cfg(all(target_arch = "wasm32", not(target_os = "wasi")))] // WASI has the allocator of its C library
mod memory;

pub use documents::*;
pub use host::*;
pub use json::Json;

/// Exports operations, each with the function that carries it out: `operations! { getAuthType: auth_type, getUserInfo: user_info }`.
#[macro_export]
macro_rules! operations {
    ($($operation:ident : $function:path),* $(,)?) => {
        $(
            #[no_mangle]
            #[allow(non_snake_case)]
            pub extern "C" fn $operation() -> i32 {
                $crate::operation::$operation($function)
            }
        )*
    };
}

/// The operations that `operations!` can export.
#[allow(non_snake_case)]
pub mod operation {
    use crate::*;

    macro_rules! operation {
        ($($name:ident: $request:ty => $answer:ty;)*) => {
            $(
                #[doc = "Runs an operation, and returns the result of the export."]
                pub fn $name(function: fn($request) -> Result<$answer>) -> i32 {
                    host::answer(function)
                }
            )*
        };
    }

    operation! {
        getAuthType: None => AuthType;
        getOauthInfo: OauthInfoRequest => Application;
        getOverridingOAuthOption: OverridingOptionRequest => OverridingOption;
        getBasicAuth: BasicAuthRequest => BasicAuth;
        getUserInfo: UserInfoRequest => UserInfo;
        authValidation: Person => Outcome;
        refreshUserInfo: Person => Outcome;
        unAuthorize: Person => Outcome;
        postSaveUserInfo: Person => Outcome;
        getLicenseStatus: Person => Json;
        checkAndRefreshAccessToken: RefreshRequest => Refreshed;
        getManagedAuthOptions: ManagedAuthRequest => ManagedAuthOptions;
    }
}
