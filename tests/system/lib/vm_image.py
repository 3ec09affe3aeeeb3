"""What a small machine boots: a Linux kernel of Debian's with its modules, and an initramfs made
here, from programs of this machine with the libraries they need. The machine itself is in vm.py.
"""
import glob
import lzma
import os
import re
import shutil
import stat

from lib import process

# Where scripts/deps unpacks a kernel package, and this machine's own.
ROOTS = ["/var/cache/wgdp-tests/linux", "/"]
BUSYBOX = "/usr/bin/busybox", "/bin/busybox"
ALWAYS_MODULES = ["virtio_pci", "virtio_console"]
# busybox's own ip, ping and mount do less than these; so Debian's shell, which prefers the PATH.
ALWAYS_PROGRAMS = ["dash"]
INIT = """#!/bin/busybox sh
umask 022
/bin/busybox chmod 755 /
/bin/busybox mkdir -p /applets /dev /proc /sys /tmp /run /var /etc /root
/bin/busybox --install -s /applets
export PATH=/usr/sbin:/usr/bin:/applets HOME=/root
ln -s /run /var/run
mount -t devtmpfs devtmpfs /dev && mount -t proc proc /proc && mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
for module in /modules/*; do insmod $module || echo "$module: not inserted"; done
ip link set lo up
until [ -c /dev/vport0p1 ]; do sleep 0.02; done
exec 3<>/dev/vport0p1   # it can be open only once
echo ready >&3
exec dash <&3 >&3 2>&1 3>&-
"""


class Kernel:
    """A kernel image, and the modules built with it, in a directory of their own."""

    def __init__(self, image, modules):
        self.image = image
        self.files = {}
        for directory, _, names in os.walk(modules):
            for name in names:
                if name.endswith((".ko", ".ko.xz")):
                    self.files[module_name(name)] = os.path.join(directory, name)
        self.builtin = set()
        if os.path.exists(os.path.join(modules, "modules.builtin")):
            with open(os.path.join(modules, "modules.builtin")) as f:
                self.builtin = {module_name(os.path.basename(line.strip())) for line in f}

    def lacks(self, names):
        return [name for name in names
                if module_name(name) not in self.files and module_name(name) not in self.builtin]

    def load_order(self, names):
        """[(name, contents)]: the modules and what they depend on, in the order to insert them."""
        order = {}

        def add(name):
            if name in order or name in self.builtin:
                return
            contents = read_module(self.files[name])
            found = re.search(rb"\0depends=([^\0]*)\0", contents)
            for needed in found.group(1).decode().split(",") if found else []:
                if needed:
                    add(module_name(needed))
            order[name] = contents

        for name in names:
            add(module_name(name))
        return list(order.items())


def module_name(name):
    return name.split(".")[0].replace("-", "_")


def read_module(path):
    if path.endswith(".xz"):
        with lzma.open(path) as f:
            return f.read()
    with open(path, "rb") as f:
        return f.read()


def version(path):
    return [int(number) for number in re.findall(r"\d+", path)]


def find_kernel(modules):
    """The newest kernel that has the modules, or None."""
    for root in ROOTS:
        images = glob.glob(os.path.join(root, "boot", "vmlinuz-*"))
        for image in sorted(images, key=version, reverse=True):
            release = os.path.basename(image).split("-", 1)[1]
            kernel = Kernel(image, os.path.join(root, "lib", "modules", release))
            if not kernel.lacks(ALWAYS_MODULES + modules):
                return kernel
    return None


def find_busybox():
    return next((path for path in BUSYBOX if os.access(path, os.X_OK)), None)


class Image:
    """An initramfs under construction; paths in it are those of this machine."""

    def __init__(self):
        self.entries = {}       # path without leading slash: (mode, contents)
        self.file("/init", INIT.encode(), 0o755)
        for directory in ("bin", "lib", "lib64", "sbin"):
            if os.path.islink(f"/{directory}"):
                self.entries[directory] = (stat.S_IFLNK | 0o777, f"usr/{directory}".encode())

    def file(self, path, contents, mode=0o644):
        path = path.lstrip("/")
        parent = os.path.dirname(path)
        while parent and parent not in self.entries:
            self.entries[parent] = (stat.S_IFDIR | 0o755, b"")
            parent = os.path.dirname(parent)
        self.entries[path] = (stat.S_IFREG | mode, contents)

    def copy(self, path, to=None):
        """A file as it is here, with the links that lead to it: two names of one library must stay
        one, or the dynamic linker loads it twice."""
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if to is None and path.lstrip("/") in self.entries:
            return
        if os.path.islink(path) and to is None:
            target = os.readlink(path)
            self.copy(os.path.join(os.path.dirname(path), target))
            self.file(path, b"")
            self.entries[path.lstrip("/")] = (stat.S_IFLNK | 0o777, target.encode())
            return
        with open(path, "rb") as f:
            self.file(to or path, f.read(), os.stat(path).st_mode & 0o777)

    def program(self, path, to=None):
        """A program or plugin, with the libraries it needs."""
        self.copy(path, to)
        for library in re.findall(r"(/\S+) \(0x", process.run(["ldd", path]).stdout):
            self.copy(library)

    def add_modules(self, kernel, names):
        for number, (name, contents) in enumerate(kernel.load_order(ALWAYS_MODULES + names)):
            self.file(f"/modules/{number:02}-{name}.ko", contents)

    def write(self, path):
        """As cpio in the format "newc", which is what the kernel reads."""
        with open(path, "wb") as f:
            # Sorted: directories come before what is in them.
            for number, name in enumerate(sorted(self.entries), 1):
                mode, contents = self.entries[name]
                write_entry(f, name, number, mode, contents)
            write_entry(f, "TRAILER!!!", 0, 0, b"")


def write_entry(f, name, number, mode, contents):
    fields = [number, mode, 0, 0, 1, 0, len(contents), 0, 0, 0, 0, len(name) + 1, 0]
    f.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0")
    f.write(bytes(-f.tell() % 4))
    f.write(contents)
    f.write(bytes(-f.tell() % 4))


def build(path, kernel, modules, programs, copies=()):
    """Writes an initramfs. programs: names to look up, or paths; copies: (path here, path there)
    of further programs."""
    image = Image()
    image.copy(find_busybox(), "/bin/busybox" if not os.path.islink("/bin") else "/usr/bin/busybox")
    for program in ALWAYS_PROGRAMS + programs:
        image.program(os.path.realpath(shutil.which(program)), f"/usr/bin/{program}")
    for source, to in copies:
        image.program(source, to)
    image.add_modules(kernel, modules)
    image.write(path)
