// Relay is a test guest without an SDK. It sends its input in a request, and answers with the response: the body is the
// output, and the status minus 200 is the result.
package main

import (
	"encoding/json"
	"unsafe"
)

//go:wasmimport crmgate_v1 input
//go:noescape
func hostInput(p unsafe.Pointer, n uint32) uint32

//go:wasmimport crmgate_v1 output
//go:noescape
func hostOutput(p unsafe.Pointer, n uint32)

//go:wasmimport crmgate_v1 fetch
//go:noescape
func hostFetch(p unsafe.Pointer, n uint32) uint32

//go:wasmimport crmgate_v1 take
//go:noescape
func hostTake(p unsafe.Pointer, n uint32) uint32

var buffer [64 << 10]byte

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 {
	b := []byte(`{"type":"oauth"}`)
	hostOutput(unsafe.Pointer(&b[0]), uint32(len(b)))
	return 0
}

func relay(operation string) int32 {
	n := hostInput(unsafe.Pointer(&buffer), uint32(len(buffer)))
	request, _ := json.Marshal(map[string]any{
		"method": "POST", "url": "https://relay.example/" + operation, "body": string(buffer[:n]),
	})
	answer := make([]byte, hostFetch(unsafe.Pointer(&request[0]), uint32(len(request))))
	hostTake(unsafe.Pointer(unsafe.SliceData(answer)), uint32(len(answer)))
	var a struct {
		Status int32
		Body   string
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.Status == 0 {
		return 99
	}
	if a.Body != "" {
		hostOutput(unsafe.Pointer(unsafe.StringData(a.Body)), uint32(len(a.Body)))
	}
	return a.Status - 200
}

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return relay("getOauthInfo") }

//go:wasmexport getOverridingOAuthOption
func getOverridingOAuthOption() int32 { return relay("getOverridingOAuthOption") }

//go:wasmexport getBasicAuth
func getBasicAuth() int32 { return relay("getBasicAuth") }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return relay("getUserInfo") }

//go:wasmexport authValidation
func authValidation() int32 { return relay("authValidation") }

//go:wasmexport refreshUserInfo
func refreshUserInfo() int32 { return relay("refreshUserInfo") }

//go:wasmexport unAuthorize
func unAuthorize() int32 { return relay("unAuthorize") }

//go:wasmexport postSaveUserInfo
func postSaveUserInfo() int32 { return relay("postSaveUserInfo") }

//go:wasmexport checkAndRefreshAccessToken
func checkAndRefreshAccessToken() int32 { return relay("checkAndRefreshAccessToken") }

//go:wasmexport getLicenseStatus
func getLicenseStatus() int32 { return relay("getLicenseStatus") }

//go:wasmexport getManagedAuthOptions
func getManagedAuthOptions() int32 { return relay("getManagedAuthOptions") }
