package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

func parse(t *testing.T, args ...string) (*cli, *kong.Kong, error) {
	t.Helper()
	parser, err := newParser()
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return parser.Model.Target.Addr().Interface().(*cli), parser, err
}

// A flag comes before the environment, the environment before the file, the file before the default.
func TestOrderOfSettings(t *testing.T) {
	config := file(t, "editlock.yaml", `
listen: 127.0.0.1:3   # comments are welcome
ttl: 40s
drain: 7s
audience: of-the-file
origin:
  - https://a.example
  - https://b.example
`)
	t.Setenv("EDITLOCK_LISTEN", "127.0.0.1:2")
	t.Setenv("EDITLOCK_TTL", "50s")
	got, _, err := parse(t, "serve", "--config="+config, "--listen=127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	s := got.Serve
	if s.Listen != "127.0.0.1:1" {
		t.Errorf("the flag does not win: %s", s.Listen)
	}
	if s.TTL != 50*time.Second {
		t.Errorf("the environment does not win over the file: %v", s.TTL)
	}
	if s.Drain != 7*time.Second || s.Audience != "of-the-file" || strings.Join(s.Origin, " ") != "https://a.example https://b.example" {
		t.Errorf("the file does not win over the default: %+v", s)
	}
	if s.Issuer != "app" {
		t.Errorf("the default is gone: %q", s.Issuer)
	}
}

func TestConfigurationFromTheEnvironment(t *testing.T) {
	t.Setenv("EDITLOCK_CONFIG", file(t, "editlock.yaml", "ttl: 40s\n"))
	got, _, err := parse(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	if got.Serve.TTL != 40*time.Second {
		t.Errorf("the file that the environment names is not read: %v", got.Serve.TTL)
	}
}

func TestBadSettings(t *testing.T) {
	for text, says := range map[string]string{
		"ttl: soon":                "ttl",
		"listen: {a: b}":           "listen",
		"origins: https://a.b":     `"origins"`,
		"ttl: 40s\nttl: 50s":       "ttl",
		"key: in-the-file":         `"key"`,
		"config: another.yaml":     `"config"`,
		"log_level: shouting":      "log",
		"log_format: interpretive": "log",
		"retention: 0":             "90d or 36h",
		"retention: 30m":           "90d or 36h",
		"retention: -5d":           "90d or 36h",
		"retention: 99999999d":     "90d or 36h",
	} {
		_, _, err := parse(t, "serve", "--config="+file(t, "editlock.yaml", text))
		if err == nil {
			t.Errorf("accepted: %s", text)
		} else if !strings.Contains(err.Error(), says) {
			t.Errorf("%s: does not say %s: %v", text, says, err)
		}
	}
}

func TestRetention(t *testing.T) {
	for text, want := range map[string]time.Duration{"1d": 24 * time.Hour, "36h": 36 * time.Hour, "forever": -1} {
		got, _, err := parse(t, "serve", "--retention="+text)
		if err != nil || time.Duration(got.Serve.Retention) != want {
			t.Errorf("%s: %v, %v", text, got.Serve.Retention, err)
		}
	}
	if got, _, err := parse(t, "serve"); err != nil || time.Duration(got.Serve.Retention) != 90*24*time.Hour {
		t.Errorf("%v, %v", got.Serve.Retention, err)
	}
}

// docs/operations.md lists every setting as it is.
func TestSettingsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, parser, err := parse(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	table := settingsTable(parser.Model)
	if !strings.Contains(string(page), table) {
		t.Errorf("the table of settings in docs/operations.md is not this one:\n%s", table)
	}
}

func settingsTable(model *kong.Application) string {
	var b strings.Builder
	b.WriteString("| flag | environment | default | |\n|---|---|---|---|\n")
	for _, command := range model.Children {
		if command.Name != "serve" {
			continue
		}
		for _, f := range command.Flags {
			if f.Name != "help" && len(f.Envs) > 0 {
				value := ""
				if f.HasDefault {
					value = "`" + f.Default + "`"
				}
				fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", f.Name, f.Envs[0], value, f.Help)
			}
		}
	}
	return b.String()
}
