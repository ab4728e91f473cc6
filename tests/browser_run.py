"""Turns every knob of the playground in headless Chromium; run by test_playground.py.

Prints what was changed, and ends with 1 where a picture stayed as it was, where a wrong file gave
no line, or where the browser asked another host for anything.
"""

import json
import os
import pathlib
import shutil
import sys
import time

os.environ["SE_OFFLINE"] = os.environ["SE_AVOID_STATS"] = "true"
WAIT = 90  # seconds for a picture


def found():
    """Whether there is a browser, and the program that drives it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    return browser is not None and shutil.which("chromedriver") is not None


def models_of():
    """(name, panels) of a tiny model of each task, with examples where they take some."""
    import numpy as np

    from keras_gans import models, networks, tasks

    g, d = networks.biggan(32, width=4, num_classes=3, head="inr", d_head="omni")
    yield "noise", tasks.get("noise").panels(models.OmniINRGAN(g, d, num_classes=3), ["a", "b"])
    g, d = networks.pix2pix(image_size=32, channels=3, in_channels=1, width=4, d_layers=2)
    translator = models.Translator(models.Pix2Pix(g, d).inference_network())
    inputs = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 1)).astype("float32")
    translator.examples = lambda: (inputs,)
    yield "images", tasks.get("images").panels(translator)
    g, d = networks.spade(32, num_classes=3, width=2, hidden=4, d_width=2, noise=4)
    yield "maps", tasks.get("label_maps").panels(models.SPADE(g, d), ["sky"])


def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    options.add_argument("--disable-dev-shm-usage")
    options.add_argument("--window-size=1280,1600")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


class Page:
    """A page of the playground."""

    def __init__(self, driver, address, folder):
        from selenium.webdriver.common.by import By

        self.driver, self.folder, self.css = driver, folder, By.CSS_SELECTOR
        driver.get(address)

    def find(self, selector):
        """The first element that is shown, waited for."""

        def shown():
            found = self.driver.find_elements(self.css, selector)
            return next((x for x in found if x.is_displayed()), None)

        return self.until(shown, selector)

    def until(self, condition, what):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            if result := condition():
                return result
            time.sleep(0.1)
        raise TimeoutError(f"waited {WAIT} s for {what}")

    def source(self, made):
        """The address of the picture, which has the sum of its bytes in it; None without one."""
        found = self.driver.find_elements(self.css, f"#{made} img")
        return found[0].get_attribute("src") if found else None

    def asked(self, button, made, before):
        """Press the button of a slow panel; the address of the new picture."""
        self.find(f"#{button}").click()
        self.until(lambda: self.source(made) not in (None, before), "the picture asked for")
        return self.source(made)

    def open_tab(self, name):
        tabs = self.driver.find_elements(self.css, "button[role=tab]")
        tab = next((t for t in tabs if t.text == name and t.is_displayed()), None)
        if tab is not None:
            tab.click()

    def change(self, identity, control):
        """Turn one knob to another value."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        if control.kind in ("integer", "number"):
            value = control.default + (control.step or 1) * (1 if control.least else 2)
            value = value if control.most is None or value <= control.most else control.least
            self.type(identity, f"{value:g}")
        elif control.kind == "choice":
            self.choose(identity, next(c for c in control.choices if c != control.default))
        elif control.kind == "switch":
            self.find(f"#{identity} input").send_keys(Keys.SPACE)
        elif control.kind == "picture":
            self.upload(identity, self.picture())
        else:
            self.find(f"#{identity} button[aria-label='Brush']").click()
            canvas = self.find(f"#{identity} canvas")
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
            hand = ActionChains(self.driver).move_to_element_with_offset(canvas, -40, -40)
            hand.click_and_hold().move_by_offset(60, 20).move_by_offset(10, 50).release().perform()

    def choose(self, identity, choice):
        """Whether this was another choice."""
        field = self.find(f"#{identity} input")
        if field.get_attribute("value") == choice:
            return False
        field.click()
        options = self.driver.find_elements(self.css, "[role=option]")
        next(o for o in options if o.text.strip("✓ \n") == choice).click()
        return True

    def type(self, identity, text):
        from selenium.webdriver.common.keys import Keys

        field = self.find(f"#{identity} input[type=number]")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.TAB)

    def upload(self, identity, path):
        found = self.driver.find_elements(self.css, f"#{identity} input[type=file]")
        if not found:  # another file is there: take it away
            self.find(f"#{identity} button[aria-label='Clear']").click()
        selector = f"#{identity} input[type=file]"
        field = self.until(lambda: self.driver.find_elements(self.css, selector), selector)[0]
        field.send_keys(str(path))

    def picture(self):
        import numpy as np
        from PIL import Image

        path = self.folder / "mine.png"
        pixels = np.random.default_rng(1).integers(0, 255, (48, 40, 3)).astype("uint8")
        Image.fromarray(pixels).save(path)
        return path

    def error(self):
        """The text of the line that is shown over the page."""
        return self.find(".toast-body").text


# Of what is asked for by a button: the choice that makes a control count.
NEEDED = {"factor": ("task", "sr"), "hole": ("task", "inpaint"), "mask": ("task", "inpaint")}


def check(page, panels, names):
    """List of the controls that changed nothing."""
    stayed = []
    for panel in panels:
        page.open_tab(panel.name)
        made = names(panel.name, "made")
        if panel.slow:
            # Few steps are enough to see a difference, and a picture has to be there at first.
            controls = sorted(
                panel.controls, key=lambda c: (c.name != "effort", c.name != "picture")
            )
        else:
            page.until(lambda made=made: page.source(made), "the first picture")
            # An example shows only while there is no picture of one's own.
            controls = sorted(panel.controls, key=lambda c: c.name != "example")
        for control in controls:
            before = page.source(made)
            if panel.slow and control.name in NEEDED:
                which, choice = NEEDED[control.name]
                if page.choose(names(panel.name, which), choice):
                    before = page.asked(names(panel.name, "go"), made, before)
            page.change(names(panel.name, control.name), control)
            if panel.slow and control.name == "effort":
                continue  # nothing to show yet
            try:
                if panel.slow:
                    page.asked(names(panel.name, "go"), made, before)
                else:
                    page.until(lambda b=before, m=made: page.source(m) != b, control.name)
                print(f"{panel.name}: {control.label}", flush=True)
            except TimeoutError:
                stayed.append(f"{panel.name}: {control.label}")
    return stayed


def others(driver, addresses):
    """Addresses of other hosts that the browser asked for something."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        m["params"]["request"]["url"]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
    ]
    own = (*addresses, "data:", "blob:", "chrome:")
    return sorted({url for url in asked if not url.startswith(own)})


def main(folder, *chosen):
    from keras_gans.app import pages

    folder, driver, addresses, stayed = pathlib.Path(folder), browser(), [], []
    try:
        for name, panels in models_of():
            if chosen and name not in chosen:
                continue
            made = pages.blocks(name, "A tiny one.", panels)
            addresses.append(pages.serve(made, block=False))
            page = Page(driver, addresses[-1], folder)
            stayed += check(page, panels, pages.name_on_page)
            if name == "images":
                (folder / "words.png").write_text("no picture")
                page.upload(pages.name_on_page("Translation", "picture"), folder / "words.png")
                said = page.error()
                print(f"a wrong file: {said}", flush=True)
                if "is not a readable image" not in said or "Traceback" in said:
                    stayed.append("a wrong file")
            made.close()
        asked = others(driver, addresses)
    finally:
        driver.quit()
    if stayed or asked:
        print(f"nothing changed by {stayed}; other hosts: {asked}")
        return 1
    print("all controls changed the picture")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
