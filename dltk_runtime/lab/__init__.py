"""JupyterLab and papermill with the environment that notebook code has in a worker.

::

    dltk lab, dltk batch ──> kernelspec ──> kernel          one process per open notebook
                       └──> jupyter_config ──> extension    in Jupyter's server
                                               ├──> labextension/ (browser): toast after each save
                                               ├──> notebook.review
                                               └──> templates (also: dltk new)

* The kernel: `kernelspec` installs it for Jupyter and papermill, `kernel` is the process.
* Jupyter's server: `jupyter_config` configures it for ``dltk lab`` (the image has its own
  configuration), `extension` reviews saved notebooks and creates new ones, `certificate` reloads a
  renewed TLS certificate, `kernels` starts kernels without secrets, `login` slows
  down who guesses passwords, ``labextension/`` is the part
  that runs in the browser.
* `templates`: the notebooks that ``dltk new`` and the launcher create.
"""
