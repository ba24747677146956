package edge

import (
	"errors"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// checkSettings logs a line for each setting of some platforms of a folder that does not count: it is not set, cannot be read, or the
// connector does not declare it. It returns the platforms with a setting that cannot be read, and the reason. Such a platform is not
// used: it would sign people in with another application than the operator wants, or fail at the CRM.
//
// Of a platform that earlier has too, only the settings that cannot be read are logged. earlier may be nil.
func (c *core) checkSettings(folder, earlier *wasmhost.Folder, platforms ...crmgate.Platform) (unusable map[crmgate.Platform]error) {
	unusable = map[crmgate.Platform]error{}
	for _, p := range platforms {
		conn, err := folder.Connector(p)
		if err != nil {
			continue // there is no such platform
		}
		known := earlier.Same(p, folder)
		declared := conn.Manifest().Config
		for _, name := range declared {
			switch _, ok, err := c.Setting(name); {
			case err != nil:
				c.Logger.Error("a setting cannot be read: the platform is not available", "platform", p, "setting", name, "err", err)
				unusable[p] = errors.Join(unusable[p], err)
			case !ok && !known:
				c.Logger.Info("a setting is not set", "platform", p, "setting", name)
			}
		}
		prefix := strings.ToUpper(string(p)) + "_"
		for _, name := range c.SettingNames {
			if !known && strings.HasPrefix(name, prefix) && !slices.Contains(declared, name) {
				c.Logger.Warn("a setting is ignored: the connector does not declare it", "platform", p, "setting", name)
			}
		}
	}
	return unusable
}
