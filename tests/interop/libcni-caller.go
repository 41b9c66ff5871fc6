// SPDX-License-Identifier: LGPL-2.1-or-later

// Calls plugins through libcni, as container runtimes do.
//
//	libcni-caller parse                              prints the names of the plugins of the list on standard input
//	libcni-caller add|check|del|validate ATTACHMENT  the list on standard input; plugins are found in CNI_PATH
//
// ATTACHMENT is a JSON object: container, netns, interface, capabilities, args, and cache, libcni's folder. The result of add and
// plugins' errors are printed as JSON; the exit status is 1 after an error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

type attachment struct {
	Container    string                 `json:"container"`
	Netns        string                 `json:"netns"`
	Interface    string                 `json:"interface"`
	Cache        string                 `json:"cache"`
	Capabilities map[string]interface{} `json:"capabilities"`
	Args         [][2]string            `json:"args"`
}

func parse(list *libcni.NetworkConfigList) error {
	for _, plugin := range list.Plugins {
		fmt.Println(plugin.Network.Type)
	}
	return nil
}

func call(command string, list *libcni.NetworkConfigList, text string) error {
	var what attachment
	if err := json.Unmarshal([]byte(text), &what); err != nil {
		return err
	}
	cni := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(os.Getenv("CNI_PATH")), what.Cache, nil)
	runtime := &libcni.RuntimeConf{ContainerID: what.Container, NetNS: what.Netns, IfName: what.Interface,
		CapabilityArgs: what.Capabilities, Args: what.Args}
	switch command {
	case "add":
		result, err := cni.AddNetworkList(context.Background(), list, runtime)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(context.Background(), list, runtime)
	case "del":
		return cni.DelNetworkList(context.Background(), list, runtime)
	case "validate":
		_, err := cni.ValidateNetworkList(context.Background(), list)
		return err
	}
	return fmt.Errorf("no command %s", command)
}

func run(arguments []string) error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	list, err := libcni.ConfListFromBytes(text)
	if err != nil {
		return err
	}
	if len(arguments) == 1 && arguments[0] == "parse" {
		return parse(list)
	}
	if len(arguments) != 2 {
		return errors.New("usage: libcni-caller parse | COMMAND ATTACHMENT")
	}
	return call(arguments[0], list, arguments[1])
}

func main() {
	err := run(os.Args[1:])
	var told *types.Error
	if errors.As(err, &told) {
		told.Print()
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil {
		os.Exit(1)
	}
}
