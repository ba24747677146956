//go:build !wasip1

package sdk_test

import (
	"bytes"
	"reflect"
	"strconv"
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/sdktest"
)

// Every field of every document is read and written under the name in its tag: package sdk agrees with encoding/json.
func TestDocumentsHaveTheirTags(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(*testing.T){
		"OAuthInfoRequest":   isRead[sdk.OAuthInfoRequest],
		"OAuthOptionRequest": isRead[sdk.OAuthOptionRequest],
		"BasicAuthRequest":   isRead[sdk.BasicAuthRequest],
		"UserInfoRequest":    isRead[sdk.UserInfoRequest],
		"UserRequest":        isRead[sdk.UserRequest],
		"RefreshRequest":     isRead[sdk.RefreshRequest],
		"ManagedAuthRequest": isRead[sdk.ManagedAuthRequest],
		"AuthType":           isWritten[sdk.AuthType],
		"OAuthInfo":          isWritten[sdk.OAuthInfo],
		"OAuthOption":        isWritten[sdk.OAuthOption],
		"BasicAuth":          isWritten[sdk.BasicAuth],
		"UserInfo":           isWritten[sdk.UserInfo],
		"Outcome":            isWritten[sdk.Outcome],
		"LicenseStatus":      isWritten[sdk.LicenseStatus],
		"Refreshed":          isWritten[sdk.Refreshed],
		"ManagedAuthOptions": isWritten[sdk.ManagedAuthOptions],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

func isRead[In any, P sdk.Input[In]](t *testing.T) {
	var sent In
	fill(reflect.ValueOf(&sent).Elem(), new(int))
	want := mustMarshal(t, sent)
	r, err := sdk.Run(sdk.Host{}, sent, func() int32 {
		return sdk.Answer[In, sdk.None, P](func(in In) (sdk.None, error) {
			if got := mustMarshal(t, in); string(got) != string(want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			return sdk.None{}, nil
		})
	})
	if err != nil || r.Code != 0 {
		t.Errorf("got %d %s (%v)", r.Code, r.Output, err)
	}
}

func isWritten[Out sdk.Output](t *testing.T) {
	for _, filled := range []bool{true, false} {
		var out Out
		if filled {
			fill(reflect.ValueOf(&out).Elem(), new(int))
		}
		got := mustRun(t, sdk.Host{}, func(sdk.None) (Out, error) { return out, nil }).Output
		want := bytes.Replace(mustMarshal(t, out), []byte(`"options":null`), []byte(`"options":[]`), 1) // the ABI wants a list
		if !sdktest.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// fill gives a value of its own to every field of v and of what is in it. It has used the numbers up to n.
func fill(v reflect.Value, n *int) {
	*n++
	text := strconv.Itoa(*n) + "\u2028\t<\\"
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) << 32)
	case reflect.Bool:
		v.SetBool(true)
	default:
		switch into := v.Addr().Interface().(type) {
		case *json.Value:
			*into = json.Parse(`{"a":[1.50,"\u00e9",` + strconv.Itoa(*n) + `]}`)
		case *map[string]string:
			*into = map[string]string{"a": text, "b\n\"<": ""}
		case *map[string]any:
			*into = map[string]any{"a": text, "b": nil, "c": 1.5}
		default: // a struct
			for i := range v.NumField() {
				fill(v.Field(i), n)
			}
		}
	}
}
