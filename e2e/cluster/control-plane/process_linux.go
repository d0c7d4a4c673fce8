// What only Linux can tell and promise of the processes that stand for containers.
package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes puts a process into a group of its own and lets it die with this program, however that dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// memoryOfGroups returns the resident memory of every process group on the computer, in bytes.
func memoryOfGroups() map[int]int64 {
	groups := map[int]int64{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return groups
	}
	page := int64(os.Getpagesize())
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		bytes, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		// "pid (name) state ppid pgrp …"; the name may hold anything, so count from its last bracket.
		text := string(bytes)
		fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
		if len(fields) < 22 {
			continue
		}
		group, err := strconv.Atoi(fields[2])
		pages, err2 := strconv.ParseInt(fields[21], 10, 64)
		if err == nil && err2 == nil {
			groups[group] += pages * page
		}
	}
	return groups
}
