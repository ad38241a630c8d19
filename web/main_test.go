package web_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/editlock/editlock/internal/browser"
)

// chrome is one browser for all tests; each test has its own persons in it.
var chrome tabs

func TestMain(m *testing.M) {
	os.Exit(func() int {
		profile, err := os.MkdirTemp("", "editlock-chromium-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(profile)
		if chrome.Browser, err = browser.Start(profile); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer chrome.Stop()
		return m.Run()
	}())
}
