package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// cli is all that can be said on the command line.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Show it working: two people, one record, and every way to get it stuck."`
	Serve   serveCmd   `cmd:"" help:"Serve edit locks to the pages and programs of an application."`
	Ls      lsCmd      `cmd:"" help:"List what is held or waited for."`
	History historyCmd `cmd:"" help:"Say who held a resource, and why it ended."`
	Release releaseCmd `cmd:"" help:"End the hold of somebody else, as an administrator."`
	Token   tokenCmd   `cmd:"" help:"Make an access token, for trying things."`
	Key     keyCmd     `cmd:"" help:"Make a key."`
	Exec    execCmd    `cmd:"" help:"Run a command while holding a lock."`
	Watch   watchCmd   `cmd:"" help:"Show who edits what, live."`
	Script  scriptCmd  `cmd:"" help:"Print the browser's script, for the static files of the application."`
	Bench   benchCmd   `cmd:"" help:"Measure it on this machine and this disk."`
	Version versionCmd `cmd:"" help:"Print the version."`
	Help    helpCmd    `cmd:"" help:"Print this, or what a command does."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`

	DemoChild  demoChildCmd  `cmd:"" hidden:""`
	BenchChild benchChildCmd `cmd:"" hidden:""`
}

// helpCmd is --help, for those who write it as a command.
type helpCmd struct {
	Command string `arg:"" optional:"" help:"Which command."`
}

func (c *helpCmd) Run(parser *kong.Kong) error {
	args := append(strings.Fields(c.Command), "--help")
	if _, err := parser.Parse(args); err != nil { // else it prints, and ends the program
		return misused("there is no command %q (%w); editlock help lists them", c.Command, err)
	}
	return nil
}

func newParser() (*kong.Kong, error) {
	return kong.New(&cli{},
		kong.Name("editlock"),
		kong.Description("Exactly one person edits a record; the others wait on the page and are let in, with fresh content, the moment it is free."),
		kong.Vars{"version": version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(duration)),
	)
}

// duration reads a duration, and says how one is written.
func duration(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		if _, number := strconv.ParseFloat(text, 64); number == nil {
			return fmt.Errorf("%q has no unit: write %ss", text, text)
		}
		return fmt.Errorf("%q is no duration: write one like 30s or 2m", text)
	}
	target.SetInt(int64(d))
	return nil
}
