// Package hmac signs messages with secrets that may be handles. It is a package of its own because it contains Go's package
// crypto/hmac, which adds half a megabyte to each connector that imports it.
package hmac

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

// SHA256 returns the HMAC-SHA-256 of a message. The key and the message may have handles. encoding is "hex" or "base64".
func SHA256(key, message, encoding string) string {
	if handle, ok := sdk.Derive(sdk.Derivation{HMAC: "sha256", Key: key, Message: message, Encoding: encoding}); ok {
		return handle
	}
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	if encoding == "hex" {
		return hex.EncodeToString(h.Sum(nil))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
