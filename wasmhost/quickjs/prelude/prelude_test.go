package prelude_test

import (
	"strings"
	"testing"
)

func TestOperationWithAFetch(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	err := s.load(`exports.getAuthType = () => 'oauth';
exports.getUserInfo = async ({authHeader, hostname}) => {
  console.log('hello', {a: 1}, process.env.ACME_ID);
  const r = await fetch('https://api.example.com/v1/users/me', {headers: {Authorization: authHeader}});
  if (!r.ok) throw new Error('no');
  const d = await r.json();
  return {successful: true, platformUserInfo: {id: d.data.id + '-x', name: d.data.name}};
};
`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.drive("operations"); got != `["getAuthType","getUserInfo"]` || err != nil {
		t.Errorf("operations: got %s, %v", got, err)
	}
	var asked []request
	got, err := s.run("getUserInfo", `{"authHeader":"Bearer x","hostname":"h.example"}`, `{"ACME_ID":"7"}`, func(r request) any {
		asked = append(asked, r)
		return `{"status":200,"headers":{"content-type":"application/json"},"body":"{\"data\":{\"id\":42,\"name\":\"Ada\"}}"}`
	})
	if want := (result{Output: `{"successful":true,"platformUserInfo":{"id":"42-x","name":"Ada"}}`}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	want := request{"fetch", `{"method":"GET","url":"https://api.example.com/v1/users/me","headers":{"Authorization":"Bearer x"}}`}
	if len(asked) != 1 || asked[0] != want {
		t.Errorf("got the requests %+v, want %+v", asked, want)
	}
	if got, want := strings.TrimSpace(s.output.String()), "hello { a: 1 } 7"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
