package main

import (
	"os"
	"os/exec"
	"runtime"
)

// findBrowser returns what opens a URL in the user's browser; nil: nothing does.
func findBrowser() func(url string) error {
	name, args := "xdg-open", []string(nil)
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler"}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return nil // xdg-open would start a browser in the terminal
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil
	}
	return func(url string) error {
		cmd := exec.Command(path, append(args, url)...) // neither input nor output
		if err := cmd.Start(); err != nil {
			return err
		}
		return cmd.Process.Release() // it may run for as long as the browser
	}
}
