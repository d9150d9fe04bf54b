"""What password-reset mails link to."""

from django.contrib.auth import views
from django.urls import path

urlpatterns = [path("reset/<uidb64>/<token>/", views.PasswordResetConfirmView.as_view(), name="password_reset_confirm")]
