// Package bench compares crmgate with other programs. It is a module of its own, so that crmgate does not depend on them.
package bench
