package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// settings are what a configuration file says: the names of flags, with _ for -. A flag or the environment overrides them.
type settings struct {
	path   string
	values map[string]any
}

func readSettings(path string) (settings, error) {
	s := settings{path: path}
	b, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("the configuration file: %w", err)
	}
	if err := yaml.Unmarshal(b, &s.values); err != nil {
		return s, fmt.Errorf("the configuration file %s is not YAML with names and values: %w", path, err)
	}
	return s, nil
}

// Validate refuses names that no flag of serve has: a misspelt setting would otherwise be silently left at its default.
func (s settings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, command := range app.Children {
		if command.Name == "serve" {
			for _, flag := range command.Flags {
				known[settingName(flag)] = true
			}
		}
	}
	delete(known, "config")
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if !known[name] {
			return fmt.Errorf("%s: there is no setting %q; there are %s", s.path, name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

// Resolve gives the value of a flag that neither the command line nor the environment has set.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if os.Getenv(env) != "" {
			return nil, nil
		}
	}
	switch v := s.values[settingName(flag)].(type) {
	case nil:
		return nil, nil
	case []any:
		each := make([]string, len(v))
		for i, x := range v {
			each[i] = fmt.Sprint(x)
		}
		return strings.Join(each, ","), nil
	case map[string]any:
		return nil, fmt.Errorf("%s: %s is a value, not a group", s.path, settingName(flag))
	default:
		return fmt.Sprint(v), nil
	}
}

func settingName(flag *kong.Flag) string { return strings.ReplaceAll(flag.Name, "-", "_") }
