package settings

import (
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate"
)

// layer merges an organisation's settings with a person's, entry by entry. An entry is an object with value, defaultValue and
// options. In the organisation's entry, customizable lets the person's entry count, and isRemoved removes it. An entry that
// is null is absent. The error means that values are nested too deeply to be encoded.
func layer(org, own object) (object, error) {
	all := object{}
	for name, theirs := range org {
		if given(theirs) && !truthy(objectOf(theirs)["isRemoved"]) {
			all[name] = theirs
		}
	}
	for name, mine := range own {
		theirs := objectOf(org[name])
		fixed := given(org[name]) && !truthy(theirs["customizable"])
		if !given(mine) || fixed || truthy(theirs["isRemoved"]) {
			continue
		}
		var err error
		if all[name], err = personal(name, objectOf(mine), theirs); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// personal is a person's entry in the merged settings.
func personal(name string, mine, theirs object) (json.RawMessage, error) {
	value := mine["value"]
	if strings.HasPrefix(name, "plugin_") {
		var err error
		if value, err = layerPlugin(theirs["value"], value); err != nil {
			return nil, err
		}
	}
	return crmgate.EncodeJSON(struct {
		Customizable bool            `json:"customizable"`
		Value        json.RawMessage `json:"value,omitempty"`
		DefaultValue json.RawMessage `json:"defaultValue,omitempty"`
		Options      json.RawMessage `json:"options,omitempty"`
	}{true, value, mine["defaultValue"], mine["options"]})
}

// layerPlugin merges the organisation's configuration of a plugin, the member config of its value, with a person's.
func layerPlugin(org, own json.RawMessage) (json.RawMessage, error) {
	theirs := objectOf(objectOf(org)["config"])
	if len(theirs) == 0 {
		return own, nil
	}
	value := objectOf(own)
	if value == nil {
		value = object{}
	}
	config, err := layerConfig(theirs, objectOf(value["config"]))
	if err == nil {
		value["config"], err = crmgate.EncodeJSON(config)
	}
	if err != nil {
		return nil, err
	}
	return crmgate.EncodeJSON(value)
}

// layerConfig is layer for the configuration of a plugin. A person's entry counts if it is customizable, unless only the
// organisation's has a value. The entry keeps all its members.
func layerConfig(org, own object) (object, error) {
	all := object{}
	for name, theirs := range org {
		if given(theirs) {
			all[name] = theirs
		}
	}
	for name, b := range own {
		mine, theirs := objectOf(b), objectOf(org[name])
		fixed := given(org[name]) && !truthy(theirs["customizable"])
		unset := !truthy(mine["value"]) && truthy(theirs["value"])
		if !given(b) || fixed || unset {
			continue
		}
		all[name] = b
		if mine == nil {
			continue
		}
		mine["customizable"] = json.RawMessage("true")
		var err error
		if all[name], err = crmgate.EncodeJSON(mine); err != nil {
			return nil, err
		}
	}
	return all, nil
}
