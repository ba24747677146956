package edge

import (
	"errors"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// checkSettings logs a line for each setting of some platforms that does not count: it is not set, cannot be read, or the
// connector does not declare it. A platform whose setting cannot be read is not used: it would sign people in with another
// application than the operator wants, or fail at the CRM.
func (c *core) checkSettings(platforms ...crmgate.Platform) error {
	c.unusable = map[crmgate.Platform]error{}
	var declared []string
	for _, p := range platforms {
		conn, err := c.folder.Connector(p)
		if err != nil {
			return err
		}
		for _, name := range conn.Manifest().Config {
			declared = append(declared, name)
			switch _, ok, err := c.Setting(name); {
			case err != nil:
				c.Logger.Error("a setting cannot be read: the platform is not available", "platform", p, "setting", name, "err", err)
				c.unusable[p] = errors.Join(c.unusable[p], err)
			case !ok:
				c.Logger.Info("a setting is not set", "platform", p, "setting", name)
			}
		}
	}
	for _, name := range c.SettingNames {
		if p := c.platformOf(name); slices.Contains(platforms, p) && !slices.Contains(declared, name) {
			c.Logger.Warn("a setting is ignored: the connector does not declare it", "platform", p, "setting", name)
		}
	}
	return nil
}

// platformOf returns the platform whose settings begin as a name does; empty if there is none.
func (c *core) platformOf(setting string) crmgate.Platform {
	for _, p := range c.folder.Platforms() {
		if strings.HasPrefix(setting, strings.ToUpper(string(p))+"_") {
			return p
		}
	}
	return ""
}

// connector returns the connector of a platform. The error is a Refusal if there is none, or if its settings cannot be read.
func (c *core) connector(p crmgate.Platform) (connector.Connector, error) {
	conn, err := c.folder.Connector(p)
	if unusable := c.unusable[p]; err == nil && unusable != nil {
		return nil, &crmgate.Refusal{Kind: crmgate.Unavailable, Message: conn.Manifest().Title + " is not available here. Ask your administrator.", Err: unusable}
	}
	return conn, err
}
