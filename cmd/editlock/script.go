package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/editlock/editlock/web"
)

// scriptCmd gives the script to an application that serves it itself. A page whose script came from a lock server that is
// down would show an open form, and no notice.
type scriptCmd struct {
	Name string `arg:"" optional:"" help:"Which: editlock.js, a module; editlock.classic.js, for a script tag without type=module; index.js, without the element." default:"editlock.js"`
}

func (scriptCmd) Help() string {
	return "Prints the browser's script. Put it among the static files of the application, and again at each update: editlock script > static/editlock.js"
}

func (c *scriptCmd) Run() error {
	text, err := web.Dist.ReadFile("dist/" + c.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return misused("there is no script %q; there are editlock.js, editlock.classic.js and index.js", c.Name)
	}
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
