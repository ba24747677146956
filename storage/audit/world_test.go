package audit_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func keep(*crmgate.Person) error { return nil }
