//go:build !wasip1

package main

import (
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/sdktest"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	sdktest.Replay(t, "../acme.vectors.json", map[string]func() int32{"getAuthType": getAuthType, "getOauthInfo": getOauthInfo, "getUserInfo": getUserInfo})
}
