"""What the zoo keeps of the methods of each task: a module a task, found by standing here."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
